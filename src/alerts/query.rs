//! Reading the store.

use std::collections::HashSet;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::base::Wall;

use super::alert::{Alert, AlertId, AlertState, Filter, Page};
use super::error::Error;
use super::row::{self, COLUMNS, STATES};
use super::store::Alerts;

/// Most alerts of one page.
const PAGE: usize = 1000;

impl Alerts {
    pub fn get(&self, id: AlertId) -> Result<Option<Alert>, Error> {
        self.sql(row::get(&self.lock_reader(), id))
    }

    /// Alerts that are new or changed after the change log's position `seq`, in its order, each
    /// once and as it is now. Resume with the last one's `seq`.
    pub fn since(&self, seq: u64, limit: usize) -> Result<Vec<Alert>, Error> {
        let tail = format!("seq > ?1 ORDER BY seq LIMIT {}", limit.min(PAGE));
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        self.sql(select(&self.lock_reader(), &tail, vec![Value::Integer(seq)]))
    }

    /// A page of the alerts that match, newest first by `at`. `limit` from 1 to 1000.
    pub fn list(&self, filter: &Filter, cursor: Option<&str>, limit: usize) -> Result<Page, Error> {
        let limit = limit.clamp(1, PAGE);
        let (mut terms, mut values) = (vec!["1 = 1".to_owned()], Vec::new());
        let mut term = |sql: &str, value: Value| {
            values.push(value);
            terms.push(sql.replace('?', &format!("?{}", values.len())));
        };
        let text = |s: &str| Value::Text(s.into());
        if let Some(c) = &filter.camera {
            term("camera = ?", text(c.as_str()));
        }
        if let Some(k) = &filter.kind {
            term("kind = ?", text(k));
        }
        if let Some(s) = filter.state {
            term("state = ?", text(s.as_str()));
        }
        if let Some(s) = filter.severity {
            term("severity = ?", text(s.as_str()));
        }
        if let Some(t) = filter.from {
            term("at >= ?", Value::Integer(t.0));
        }
        if let Some(t) = filter.to {
            term("at < ?", Value::Integer(t.0));
        }
        if let Some(c) = cursor {
            let (at, id) = parse_cursor(c).ok_or(Error::BadCursor)?;
            term("at <= ?", Value::Integer(at.0));
            let n = values.len();
            values.push(Value::Text(id.to_string()));
            terms.push(format!("(at, id) < (?{n}, ?{})", n + 1));
        }
        let tail = format!("{} ORDER BY at DESC, id DESC LIMIT {}", terms.join(" AND "), limit + 1);
        let mut alerts = self.sql(select(&self.lock_reader(), &tail, values))?;
        let more = alerts.len() > limit;
        alerts.truncate(limit);
        let next = alerts.last().filter(|_| more).map(|a| show_cursor(a.at, a.id));
        Ok(Page { alerts, next })
    }

    /// Text of a rule that has raised an alert, by its version.
    pub fn rule_text(&self, version: &str) -> Result<Option<String>, Error> {
        let conn = self.lock_reader();
        let text =
            conn.query_row("SELECT text FROM rules WHERE hash = ?1", [version], |r| r.get(0)).optional();
        self.sql(text)
    }

    /// Path of the alert's JPEG; `None`: no such alert, or it has none.
    pub fn snapshot(&self, id: AlertId) -> Result<Option<PathBuf>, Error> {
        Ok(self.get(id)?.filter(|a| a.snapshot).map(|a| self.files.path(a.id)))
    }

    /// The snapshot's bytes, `None` where none is stored.
    pub fn picture(&self, id: AlertId) -> Result<Option<Vec<u8>>, Error> {
        let Some(path) = self.snapshot(id)? else { return Ok(None) };
        std::fs::read(&path).map(Some).map_err(|source| Error::Snapshot { path, source })
    }

    /// The change log's newest position; 0 while it is empty.
    pub fn last_seq(&self) -> Result<u64, Error> {
        let conn = self.lock_reader();
        let newest = conn.query_row("SELECT seq FROM log", [], |r| r.get::<_, i64>(0));
        self.sql(newest.map(|n| n as u64))
    }

    /// All four states with the number of their alerts.
    pub fn count_by_state(&self) -> Result<Vec<(AlertState, u64)>, Error> {
        let conn = self.lock_reader();
        let count = |s: AlertState| {
            conn.prepare_cached("SELECT count(*) FROM alerts WHERE state = ?1")?
                .query_row([s.as_str()], |r| r.get::<_, i64>(0))
                .map(|n| (s, n as u64))
        };
        self.sql(STATES.into_iter().map(count).collect())
    }

    /// Delete resolved and dismissed alerts older than `Settings::max_age` with their snapshots,
    /// and files left without an alert. Returns how many alerts went.
    pub fn prune(&self, now: Wall) -> Result<usize, Error> {
        // The writer's lock: no snapshot is between its file and its row meanwhile.
        let conn = self.lock_writer();
        let before = (now - self.settings.max_age).0;
        let gone = self.sql(
            conn.execute("DELETE FROM alerts WHERE state IN ('resolved', 'dismissed') AND at < ?1", [before]),
        )?;
        let keep = || -> rusqlite::Result<HashSet<PathBuf>> {
            let mut ids = conn.prepare("SELECT id FROM alerts WHERE snapshot = 1")?;
            let ids = ids.query_map([], |r| r.get::<_, String>(0))?;
            ids.map(|id| Ok(id?.parse().map(|id| self.files.path(AlertId(id))).unwrap_or_default())).collect()
        };
        let keep = self.sql(keep())?;
        let root = || self.settings.snapshots.clone();
        self.files.sweep(&keep).map_err(|source| Error::Snapshot { path: root(), source })?;
        Ok(gone)
    }
}

fn select(conn: &Connection, tail: &str, values: Vec<Value>) -> rusqlite::Result<Vec<Alert>> {
    let mut all = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM alerts WHERE {tail}"))?;
    let alerts = all.query_map(params_from_iter(values), row::read)?;
    alerts.map(|a| row::with_history(conn, a?)).collect()
}

fn show_cursor(at: Wall, id: AlertId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", at.0))
}

fn parse_cursor(cursor: &str) -> Option<(Wall, AlertId)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (at, id) = text.split_once(':')?;
    Some((Wall(at.parse().ok()?), AlertId(id.parse().ok()?)))
}
