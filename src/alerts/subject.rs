//! Whether an event is about something already told.

use rusqlite::{Connection, OptionalExtension, params};

use crate::media::BBox;
use crate::rules::{RuleEvent, Subject};

use super::alert::{Alert, AlertId, Box as AlertBox};
use super::row::{self, COLUMNS};

/// Overlap by which a thing is known again after a restart gave its track another number.
const SAME_PLACE: f32 = 0.5;

/// Text by which events of a rule belong together. Track numbers begin anew with each run.
pub(super) fn key(subject: &Subject, run: &str) -> String {
    match subject {
        Subject::Track { id, direction: Some(d), .. } => format!("track:{run}:{}:{d}", id.0),
        Subject::Track { id, .. } => format!("track:{run}:{}", id.0),
        Subject::Scene { .. } => "scene".into(),
        Subject::Camera => "camera".into(),
    }
}

/// An alert told before, as far as it matters here.
pub(super) struct Told {
    pub alert: Alert,
    pub lasting: bool,
    pub run: String,
}

impl Told {
    /// Whether the event falls into the silence after this one.
    pub fn silences(&self, event: &RuleEvent) -> bool {
        let last = self.alert.ended.unwrap_or(self.alert.at).max(self.alert.at);
        event.at == self.alert.at || event.at.since(last) < event.cooldown
    }
}

/// The newest alert of the same rule and subject.
pub(super) fn newest(conn: &Connection, event: &RuleEvent, key: &str) -> rusqlite::Result<Option<Told>> {
    let sql = format!(
        "SELECT {COLUMNS}, lasting, run FROM alerts WHERE camera = ?1 AND rule = ?2 AND subject = ?3 \
         ORDER BY at DESC, seq DESC LIMIT 1"
    );
    let told = |r: &rusqlite::Row| Ok(Told { alert: row::read(r)?, lasting: r.get(16)?, run: r.get(17)? });
    conn.prepare_cached(&sql)?.query_row(params![event.camera.as_str(), event.rule.0, key], told).optional()
}

/// An alert of an earlier run about a thing of the same class at the same place, that still lasts
/// or whose cooldown is not over.
pub(super) fn same_place(conn: &Connection, event: &RuleEvent, run: &str) -> rusqlite::Result<Option<Told>> {
    let Subject::Track { class, bbox, direction, .. } = &event.subject else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, lasting, run FROM alerts WHERE camera = ?1 AND rule = ?2 AND run <> ?3 \
         AND direction IS ?4 AND (lasting = 1 OR max(at, coalesce(ended, at)) >= ?5) ORDER BY at DESC LIMIT 100"
    );
    let told = |r: &rusqlite::Row| Ok(Told { alert: row::read(r)?, lasting: r.get(16)?, run: r.get(17)? });
    let since = (event.at - event.cooldown).0;
    let mut all = conn.prepare_cached(&sql)?;
    let mut rows =
        all.query_map(params![event.camera.as_str(), event.rule.0, run, direction, since], told)?;
    let same = |b: &AlertBox| b.class == *class && overlap(&b.bbox, bbox);
    rows.find(|t| t.as_ref().map_or(true, |t| t.alert.boxes.first().is_some_and(same))).transpose()
}

fn overlap(a: &BBox, b: &BBox) -> bool {
    a.iou(b) >= SAME_PLACE
}

/// The alert is from now on about the subject `key` of this run.
pub(super) fn adopt(conn: &Connection, id: AlertId, key: &str, run: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE alerts SET subject = ?2, run = ?3 WHERE id = ?1";
    conn.execute(sql, params![id.to_string(), key, run]).map(drop)
}
