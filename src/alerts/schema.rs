//! The store's tables and how they come to be.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error::Error;

/// `PRAGMA user_version` of the newest schema.
const VERSION: i64 = 2;

/// `seq` comes from the one row of `log`, not from the largest alert: pruning must not free a
/// number that a client may still send as `Last-Event-ID`.
const V1: &str = "
CREATE TABLE log (seq INTEGER NOT NULL);
INSERT INTO log VALUES (0);
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    camera TEXT NOT NULL,
    rule TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    at INTEGER NOT NULL,
    ended INTEGER,
    raised INTEGER NOT NULL,
    message TEXT NOT NULL,
    boxes TEXT NOT NULL,
    track INTEGER,
    direction TEXT,
    state TEXT NOT NULL,
    snapshot INTEGER NOT NULL,
    -- Whom it is about: events of the same rule and subject belong together.
    subject TEXT NOT NULL,
    -- Server run in which the subject's track has its number.
    run TEXT NOT NULL,
    -- 1 while the condition holds and an end is awaited.
    lasting INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_by_time ON alerts (at, id);
CREATE INDEX alerts_by_camera ON alerts (camera, at, id);
CREATE INDEX alerts_by_state ON alerts (state, at, id);
CREATE INDEX alerts_by_subject ON alerts (camera, rule, subject, at);
CREATE TABLE changes (
    alert TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY (alert, n)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// What alerts were decided by. The text of a rule is kept once, not with each alert.
const V2: &str = "
ALTER TABLE alerts ADD COLUMN origin TEXT;
CREATE TABLE rules (hash TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
";

/// Open the store, making or renewing its tables.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let at = |source| Error::Open { path: path.into(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.into(), source })?;
    }
    let mut conn = Connection::open(path).map_err(at)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(at)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(at)?;
    // An alert is told only once it is on the disk, not merely in the system's cache.
    conn.pragma_update(None, "synchronous", "FULL").map_err(at)?;
    conn.pragma_update(None, "foreign_keys", true).map_err(at)?;
    let found: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(at)?;
    if found > VERSION {
        return Err(Error::Newer { path: path.into(), found, known: VERSION });
    }
    for step in [V1, V2].iter().skip(found.max(0) as usize) {
        let tx = conn.transaction().map_err(at)?;
        tx.execute_batch(step).map_err(at)?;
        tx.commit().map_err(at)?;
    }
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_the_first_form_is_renewed_and_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(V1).unwrap();
        old.execute_batch(
            "INSERT INTO alerts VALUES ('01936f3e-0000-7000-8000-000000000000', 1, 'c', 'r', 'motion', 'info', 5,
             NULL, 6, 'm', '[]', NULL, NULL, 'open', 0, 'scene', 'run', 0)",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let conn = open(&path).unwrap();
            let version: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
            let origin: Option<String> =
                conn.query_row("SELECT origin FROM alerts", [], |r| r.get(0)).unwrap();
            assert_eq!((version, origin), (VERSION, None));
        }
    }
}
