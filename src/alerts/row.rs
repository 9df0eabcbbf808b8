//! An alert as rows. What is stored is ours: a value that cannot be read is a damaged store and
//! comes out as a conversion error of SQLite.

use std::error::Error as StdError;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::base::{CameraId, Wall};
use crate::infer::Class;
use crate::media::BBox;
use crate::rules::{RuleId, Severity};

use super::alert::{Alert, AlertId, AlertState, Box as AlertBox, Change};

pub(super) const STATES: [AlertState; 4] =
    [AlertState::Open, AlertState::Acknowledged, AlertState::Resolved, AlertState::Dismissed];
const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

/// Columns in the order [`read`] takes them.
pub(super) const COLUMNS: &str = "id, seq, camera, rule, kind, severity, at, ended, raised, message, boxes, \
                                  track, direction, state, snapshot, origin";

/// What else stands in an alert's row.
pub(super) struct Binding<'a> {
    pub subject: &'a str,
    pub run: &'a str,
    pub lasting: bool,
}

#[derive(Serialize, Deserialize)]
struct BoxRow {
    class: Class,
    #[serde(flatten)]
    bbox: BBox,
    score: f32,
}

type Damage = Box<dyn StdError + Send + Sync>;

fn damaged(column: usize, why: impl Into<Damage>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

/// The alert of a row of [`COLUMNS`], without its history.
pub(super) fn read(row: &Row) -> rusqlite::Result<Alert> {
    let text = |i| row.get::<_, String>(i);
    let boxes: Vec<BoxRow> = serde_json::from_str(&text(10)?).map_err(|e| damaged(10, e))?;
    Ok(Alert {
        id: AlertId(text(0)?.parse().map_err(|e: uuid::Error| damaged(0, e))?),
        seq: row.get::<_, i64>(1)? as u64,
        camera: CameraId::new(&text(2)?).map_err(|e| damaged(2, e))?,
        rule: RuleId(text(3)?),
        kind: text(4)?,
        severity: one_of(5, &text(5)?, &SEVERITIES, |s| s.as_str())?,
        at: Wall(row.get(6)?),
        ended: row.get::<_, Option<i64>>(7)?.map(Wall),
        raised: Wall(row.get(8)?),
        message: text(9)?,
        boxes: boxes.into_iter().map(|b| AlertBox { class: b.class, bbox: b.bbox, score: b.score }).collect(),
        track: row.get::<_, Option<i64>>(11)?.map(|t| t as u64),
        direction: row.get(12)?,
        state: one_of(13, &text(13)?, &STATES, |s| s.as_str())?,
        history: Vec::new(),
        snapshot: row.get(14)?,
        origin: row
            .get::<_, Option<String>>(15)?
            .map(|o| serde_json::from_str(&o).map_err(|e| damaged(15, e)))
            .transpose()?,
    })
}

fn one_of<T: Copy>(i: usize, s: &str, all: &[T], name: fn(T) -> &'static str) -> rusqlite::Result<T> {
    all.iter().copied().find(|v| name(*v) == s).ok_or_else(|| damaged(i, format!("'{s}' is unknown")))
}

pub(super) fn insert(conn: &Connection, a: &Alert, b: &Binding) -> rusqlite::Result<()> {
    let boxes: Vec<BoxRow> =
        a.boxes.iter().map(|b| BoxRow { class: b.class, bbox: b.bbox, score: b.score }).collect();
    let boxes = serde_json::to_string(&boxes).map_err(|e| damaged(10, e))?;
    let origin = a.origin.as_ref().map(serde_json::to_string).transpose().map_err(|e| damaged(15, e))?;
    let sql = format!(
        "INSERT INTO alerts ({COLUMNS}, subject, run, lasting) VALUES
        (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
    );
    conn.prepare_cached(&sql)?.execute(params![
        a.id.to_string(),
        a.seq as i64,
        a.camera.as_str(),
        a.rule.0,
        a.kind,
        a.severity.as_str(),
        a.at.0,
        a.ended.map(|t| t.0),
        a.raised.0,
        a.message,
        boxes,
        a.track.map(|t| t as i64),
        a.direction,
        a.state.as_str(),
        a.snapshot,
        origin,
        b.subject,
        b.run,
        b.lasting,
    ])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, id: AlertId) -> rusqlite::Result<Option<Alert>> {
    let sql = format!("SELECT {COLUMNS} FROM alerts WHERE id = ?1");
    let alert = conn.prepare_cached(&sql)?.query_row([id.to_string()], read).optional()?;
    alert.map(|a| with_history(conn, a)).transpose()
}

pub(super) fn with_history(conn: &Connection, mut alert: Alert) -> rusqlite::Result<Alert> {
    // Only people make changes: most alerts of a list have none.
    let mut all =
        conn.prepare_cached("SELECT state, actor, at, reason FROM changes WHERE alert = ?1 ORDER BY n")?;
    let rows = all.query_map([alert.id.to_string()], |r| {
        let to = one_of(0, &r.get::<_, String>(0)?, &STATES, |s| s.as_str())?;
        Ok(Change { to, actor: r.get(1)?, at: Wall(r.get(2)?), reason: r.get(3)? })
    })?;
    alert.history = rows.collect::<rusqlite::Result<_>>()?;
    Ok(alert)
}

/// The next number of the change log, within the caller's transaction.
pub(super) fn next_seq(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("UPDATE log SET seq = seq + 1 RETURNING seq", [], |r| r.get::<_, i64>(0)).map(|s| s as u64)
}

pub(super) fn keep_rule(conn: &Connection, version: &str, text: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO rules VALUES (?1, ?2)")?.execute([version, text]).map(drop)
}
