//! The store: an alert is on the disk before anybody is told of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{counter, histogram};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::broadcast;

use crate::base::metrics::{ALERT_LATENCY, ALERTS_RAISED};
use crate::base::{Clock, Mono, Wall};
use crate::rules::{Edge, RuleEvent, Subject};

use super::alert::{Alert, AlertId, AlertState, Box as AlertBox, Decider};
use super::error::Error;
use super::files::Files;
use super::row::{self, Binding};
use super::settings::Settings;
use super::{schema, subject};

/// Alerts that wait for a slow listener; one that falls behind further is told so
/// (`RecvError::Lagged`) and resumes with [`Alerts::since`].
const LISTENERS: usize = 256;
/// So long after opening, something that lasts is taken to be what lasted before the restart.
const RESTART: Duration = Duration::from_secs(60);

pub struct Alerts {
    pub(super) settings: Settings,
    pub(super) files: Files,
    clock: Arc<dyn Clock>,
    opened: Mono,
    /// Name of this server run, in which track numbers hold.
    run: String,
    told: broadcast::Sender<Arc<Alert>>,
    /// Writes and tells. Lists are told in the order of `seq` because telling happens under this
    /// lock; it never blocks. Locked before `reader` where both are.
    writer: Mutex<Connection>,
    /// Reads do not wait for a write's fsync.
    reader: Mutex<Connection>,
}

impl Alerts {
    /// Open or make the store and the folder of snapshots.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Alerts, Error> {
        let writer = schema::open(&settings.store)?;
        let reader = schema::open(&settings.store)?;
        Ok(Alerts {
            files: Files::open(settings.snapshots.clone())?,
            opened: clock.now(),
            run: new_id(clock.wall()).to_string(),
            told: broadcast::channel(LISTENERS).0,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            settings,
            clock,
        })
    }

    /// Store what a rule says, with a JPEG if there is one, and tell the listeners.
    ///
    /// `None`: nothing new. The same subject's condition still lasts, its cooldown is not over, or
    /// the end ends nothing. An end gives the alert it ended.
    pub fn raise(&self, event: &RuleEvent, snapshot: Option<Vec<u8>>) -> Result<Option<Alert>, Error> {
        self.raise_by(event, snapshot, None)
    }

    /// As [`raise`](Self::raise), with what decided.
    pub fn raise_by(
        &self,
        event: &RuleEvent,
        snapshot: Option<Vec<u8>>,
        by: Option<&Decider>,
    ) -> Result<Option<Alert>, Error> {
        let mut conn = self.lock_writer();
        match event.edge {
            Edge::Begin => self.begin(&mut conn, event, snapshot, by),
            Edge::End => self.end(&mut conn, event),
        }
    }

    /// Every alert from now on, and every change of one.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Alert>> {
        self.told.subscribe()
    }

    /// A person moves an alert to another state.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when [`AlertState::allows`] does not.
    pub fn change(
        &self,
        id: AlertId,
        to: AlertState,
        actor: &str,
        reason: Option<&str>,
        now: Wall,
    ) -> Result<Alert, Error> {
        let mut conn = self.lock_writer();
        let tx = self.write(&mut conn)?;
        let alert = self.sql(row::get(&tx, id))?.ok_or(Error::NotFound(id))?;
        if !alert.state.allows(to) {
            return Err(Error::Conflict { id, state: alert.state, to });
        }
        let change = || -> rusqlite::Result<Option<Alert>> {
            let seq = row::next_seq(&tx)?;
            tx.execute(
                "UPDATE alerts SET state = ?2, seq = ?3 WHERE id = ?1",
                params![id.to_string(), to.as_str(), seq as i64],
            )?;
            tx.execute(
                "INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![id.to_string(), alert.history.len() as i64, to.as_str(), actor, now.0, reason],
            )?;
            row::get(&tx, id)
        };
        let alert = self.sql(change())?.ok_or(Error::NotFound(id))?;
        self.sql(tx.commit())?;
        self.tell(&alert);
        Ok(alert)
    }

    fn begin(
        &self,
        conn: &mut Connection,
        event: &RuleEvent,
        snapshot: Option<Vec<u8>>,
        by: Option<&Decider>,
    ) -> Result<Option<Alert>, Error> {
        let tx = self.write(conn)?;
        let key = subject::key(&event.subject, &self.run);
        if self.sql(self.is_told(&tx, event, &key))? {
            self.sql(tx.commit())?;
            return Ok(None);
        }
        let raised = self.clock.wall();
        let id = new_id(raised);
        let file = match snapshot {
            Some(jpeg) => Some(self.files.write(id, &jpeg)?),
            None => None,
        };
        let (track, direction) = match &event.subject {
            Subject::Track { id, direction, .. } => (Some(id.0), direction.map(str::to_owned)),
            Subject::Scene { .. } | Subject::Camera => (None, None),
        };
        let stored = row::next_seq(&tx).and_then(|seq| {
            let alert = Alert {
                id,
                seq,
                camera: event.camera.clone(),
                rule: event.rule.clone(),
                kind: event.kind.into(),
                severity: event.severity,
                at: event.at,
                ended: None,
                raised,
                message: event.message.clone(),
                boxes: AlertBox::all_of(event),
                track,
                direction,
                state: AlertState::Open,
                history: Vec::new(),
                snapshot: file.is_some(),
                origin: by.map(|by| by.origin.clone()),
            };
            if let Some(by) = by {
                row::keep_rule(&tx, &by.origin.rule, &by.rule_text)?;
            }
            let binding = Binding { subject: &key, run: &self.run, lasting: event.lasts() };
            row::insert(&tx, &alert, &binding)?;
            tx.commit()?;
            Ok(alert)
        });
        if stored.is_err()
            && let Some(file) = file
        {
            self.files.remove(&file);
        }
        let alert = self.sql(stored)?;
        counter!(ALERTS_RAISED, "kind" => event.kind).increment(1);
        histogram!(ALERT_LATENCY).record(raised.since(event.at).as_secs_f64());
        self.tell(&alert);
        Ok(Some(alert))
    }

    /// Whether the event is nothing new. May take over an alert of an earlier run.
    fn is_told(&self, tx: &Transaction, event: &RuleEvent, key: &str) -> rusqlite::Result<bool> {
        let restarted = self.clock.now().since(self.opened) <= RESTART;
        if let Some(told) = subject::newest(tx, event, key)? {
            // A lost camera that came back would have said so, in whichever run. Of crowds and
            // motion in an earlier run nobody saw the end: long ago, that is over.
            let same_run = told.run == self.run || matches!(event.subject, Subject::Camera);
            if told.lasting && (same_run || restarted) {
                subject::adopt(tx, told.alert.id, key, &self.run)?;
                return Ok(true);
            }
            return Ok(told.silences(event));
        }
        let Some(told) = subject::same_place(tx, event, &self.run)? else { return Ok(false) };
        if told.lasting && restarted {
            subject::adopt(tx, told.alert.id, key, &self.run)?;
            return Ok(true);
        }
        Ok(told.silences(event))
    }

    fn end(&self, conn: &mut Connection, event: &RuleEvent) -> Result<Option<Alert>, Error> {
        let tx = self.write(conn)?;
        let key = subject::key(&event.subject, &self.run);
        let end = || -> rusqlite::Result<Option<Alert>> {
            let Some(told) = subject::newest(&tx, event, &key)?.filter(|t| t.lasting) else {
                return Ok(None);
            };
            let seq = row::next_seq(&tx)?;
            tx.execute(
                "UPDATE alerts SET ended = ?2, lasting = 0, seq = ?3 WHERE id = ?1",
                params![told.alert.id.to_string(), event.at.max(told.alert.at).0, seq as i64],
            )?;
            row::get(&tx, told.alert.id)
        };
        let ended = self.sql(end())?;
        self.sql(tx.commit())?;
        if let Some(alert) = &ended {
            self.tell(alert);
        }
        Ok(ended)
    }

    /// Call with `writer` locked, so that listeners hear in the order of `seq`.
    fn tell(&self, alert: &Alert) {
        // Nobody listening is no error.
        let _ = self.told.send(Arc::new(alert.clone()));
    }

    fn write<'c>(&self, conn: &'c mut Connection) -> Result<Transaction<'c>, Error> {
        self.sql(conn.transaction_with_behavior(TransactionBehavior::Immediate))
    }

    pub(super) fn sql<T>(&self, r: rusqlite::Result<T>) -> Result<T, Error> {
        r.map_err(|source| Error::Store { path: self.store_path(), source })
    }

    fn store_path(&self) -> PathBuf {
        self.settings.store.clone()
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// UUID v7 of a time.
fn new_id(at: Wall) -> AlertId {
    let us = at.0.max(0) as u64;
    let (secs, nanos) = (us / 1_000_000, (us % 1_000_000) as u32 * 1000);
    AlertId(uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, secs, nanos)))
}
