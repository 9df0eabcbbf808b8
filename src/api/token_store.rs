//! Bearer tokens. Only the SHA-256 of a token is kept: the secret itself is 256 random bits, so a
//! slow password hash would add nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::{Kind, Wall};

/// So that leaked tokens are found by secret scanners.
const PREFIX: &str = "pgn_";

/// `last_used` is written at most so often: reading must not become a write per request.
const LAST_USED_STEP: Duration = Duration::from_secs(60);

/// What a token may do; each role may also do what the roles before it may.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at everything.
    Viewer,
    /// Also works on alerts.
    Operator,
    /// Also makes and revokes tokens.
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|r| r.as_str() == s)
            .ok_or_else(|| format!("'{s}' is not a role: use viewer, operator or admin"))
    }
}

/// A token without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub id: i64,
    /// Who uses it; stands as the actor in the history of alerts and in the audit log.
    pub name: String,
    pub role: Role,
    pub created: Wall,
    /// To within a minute.
    pub last_used: Option<Wall>,
    pub expires: Option<Wall>,
    pub revoked: Option<Wall>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open the token store {path}: {source}; check that its folder exists and is writable")]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("the token store failed: {0}; check the disk and the file's rights")]
    Store(#[from] rusqlite::Error),
    #[error("'{0}' is not a token name: use 1 to 64 letters, digits, '.', '-', '_', '@' or blanks inside")]
    BadName(String),
    #[error("there is already a token named '{0}'; revoke it first or choose another name")]
    NameTaken(String),
    #[error("the expiry {0} has already passed; choose a later one")]
    ExpiresInPast(Wall),
    #[error("there is no token {0} that could be revoked; list the tokens first")]
    NoToken(i64),
    #[error("the token is not known; make one with `pingan token create`")]
    Unknown,
    #[error("the token '{name}' expired at {at}; make a new one")]
    Expired { name: String, at: Wall },
    #[error("the token '{name}' was revoked at {at}; make a new one")]
    Revoked { name: String, at: Wall },
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Open { .. } | Error::Store(_) => Kind::Storage,
            Error::BadName(_) | Error::ExpiresInPast(_) => Kind::Invalid,
            Error::NameTaken(_) => Kind::Conflict,
            Error::NoToken(_) => Kind::NotFound,
            Error::Unknown | Error::Expired { .. } | Error::Revoked { .. } => Kind::Unauthorized,
            Error::Random(_) => Kind::Internal,
        }
    }
}

/// The tokens in their SQLite file. Calls block for the time of a small query. The command line may
/// change the same file while the server runs; the server sees that at once.
pub struct TokenStore {
    db: Mutex<Connection>,
}

impl TokenStore {
    /// Open, and make if absent.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            // If this fails, so does opening, and that error names the path.
            let _ = std::fs::create_dir_all(folder);
        }
        let open = || {
            let db = Connection::open(path)?;
            db.busy_timeout(Duration::from_secs(5))?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.execute_batch(
                "CREATE TABLE IF NOT EXISTS token (
                     id INTEGER PRIMARY KEY AUTOINCREMENT,
                     hash BLOB NOT NULL UNIQUE,
                     name TEXT NOT NULL,
                     role TEXT NOT NULL,
                     created_us INTEGER NOT NULL,
                     last_used_us INTEGER,
                     expires_us INTEGER,
                     revoked_us INTEGER
                 ) STRICT;
                 -- A name stands for one user at a time, or the audit log would not tell who it was.
                 CREATE UNIQUE INDEX IF NOT EXISTS token_name ON token(name) WHERE revoked_us IS NULL;",
            )?;
            Ok(db)
        };
        let db = open().map_err(|source| Error::Open { path: path.to_owned(), source })?;
        Ok(TokenStore { db: Mutex::new(db) })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Make a token. The second value is the secret: it cannot be had again.
    pub fn create(
        &self,
        name: &str,
        role: Role,
        expires: Option<Wall>,
        now: Wall,
    ) -> Result<(Token, String), Error> {
        let inside = |c: char| c.is_alphanumeric() || ".-_@ ".contains(c);
        if name.is_empty() || name.trim() != name || name.chars().count() > 64 || !name.chars().all(inside) {
            return Err(Error::BadName(name.chars().take(80).collect()));
        }
        if let Some(at) = expires.filter(|at| *at <= now) {
            return Err(Error::ExpiresInPast(at));
        }
        let mut random = [0u8; 32];
        getrandom::fill(&mut random).map_err(Error::Random)?;
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        let db = self.db();
        let inserted = db.execute(
            "INSERT INTO token (hash, name, role, created_us, expires_us) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![hash(&secret), name, role.as_str(), now.0, expires.map(|e| e.0)],
        );
        match inserted {
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Err(Error::NameTaken(name.into()))
            }
            Err(e) => Err(e.into()),
            Ok(_) => {
                let id = db.last_insert_rowid();
                let name = name.to_owned();
                let token = Token { id, name, role, created: now, last_used: None, expires, revoked: None };
                Ok((token, secret))
            }
        }
    }

    /// Whose token this is. Looking up the hash takes the same time whatever the secret's bytes are.
    pub fn verify(&self, secret: &str, now: Wall) -> Result<Token, Error> {
        let db = self.db();
        let found = db
            .prepare_cached(&format!("{SELECT} WHERE hash = ?1"))?
            .query_row([hash(secret)], read)
            .optional()?;
        let token = found.ok_or(Error::Unknown)?;
        if let Some(at) = token.revoked {
            return Err(Error::Revoked { name: token.name, at });
        }
        if let Some(at) = token.expires.filter(|at| *at <= now) {
            return Err(Error::Expired { name: token.name, at });
        }
        if token.last_used.is_none_or(|used| now.since(used) >= LAST_USED_STEP) {
            // A full disk must not lock people out of the server that tells them so.
            if let Err(e) =
                db.execute("UPDATE token SET last_used_us = ?1 WHERE id = ?2", params![now.0, token.id])
            {
                tracing::warn!(token = token.name, error = %e, "the time of a token's use was not stored");
            }
        }
        Ok(token)
    }

    /// All tokens, also the revoked ones, oldest first.
    pub fn list(&self) -> Result<Vec<Token>, Error> {
        let db = self.db();
        let mut query = db.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
        let tokens = query.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(tokens)
    }

    /// From now on the token is refused. Its row stays, so that its name can still be explained.
    pub fn revoke(&self, id: i64, now: Wall) -> Result<(), Error> {
        let changed = self.db().execute(
            "UPDATE token SET revoked_us = ?1 WHERE id = ?2 AND revoked_us IS NULL",
            params![now.0, id],
        )?;
        if changed == 1 { Ok(()) } else { Err(Error::NoToken(id)) }
    }
}

const SELECT: &str = "SELECT id, name, role, created_us, last_used_us, expires_us, revoked_us FROM token";

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    let role: String = row.get(2)?;
    let role = role.parse().map_err(|e: String| {
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, e.into())
    })?;
    let time = |i| row.get::<_, Option<i64>>(i).map(|t| t.map(Wall));
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        role,
        created: Wall(row.get(3)?),
        last_used: time(4)?,
        expires: time(5)?,
        revoked: time(6)?,
    })
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_700_000_000);

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.db");
        let store = TokenStore::open(&path).unwrap();
        let later = NOW + Duration::from_secs(3600);
        let (token, secret) = store.create("desk", Role::Operator, Some(later), NOW).unwrap();
        let (other, other_secret) = store.create("wall", Role::Viewer, None, NOW).unwrap();
        assert!(secret.starts_with("pgn_") && secret.len() == 4 + 43, "{secret}");

        // A second process sees what the first made.
        let again = TokenStore::open(&path).unwrap();
        assert_eq!(again.verify(&secret, NOW).unwrap(), token);
        assert!(matches!(store.verify(&secret, later), Err(Error::Expired { .. })));
        again.revoke(other.id, NOW).unwrap();
        assert!(matches!(store.verify(&other_secret, NOW), Err(Error::Revoked { .. })));
        assert!(matches!(store.revoke(other.id, NOW), Err(Error::NoToken(_))));
        assert!(matches!(store.verify("pgn_x", NOW), Err(Error::Unknown)));
    }

    #[test]
    fn the_secret_is_nowhere_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = TokenStore::open(&dir.path().join("tokens.db")).unwrap();
        let (_, secret) = store.create("desk", Role::Admin, None, NOW).unwrap();
        drop(store);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
        }
    }

    #[test]
    fn a_name_stands_for_one_live_token() {
        let dir = tempfile::tempdir().unwrap();
        let store = TokenStore::open(&dir.path().join("tokens.db")).unwrap();
        let (first, _) = store.create("desk", Role::Viewer, None, NOW).unwrap();
        assert!(matches!(store.create("desk", Role::Viewer, None, NOW), Err(Error::NameTaken(_))));
        store.revoke(first.id, NOW).unwrap();
        store.create("desk", Role::Viewer, None, NOW).expect("the name is free again");
        for bad in ["", " x", "a\nb", "a/b"] {
            assert!(matches!(store.create(bad, Role::Viewer, None, NOW), Err(Error::BadName(_))), "{bad:?}");
        }
        assert!(matches!(store.create("y", Role::Viewer, Some(NOW), NOW), Err(Error::ExpiresInPast(_))));
    }

    #[test]
    fn use_is_noted_to_within_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let store = TokenStore::open(&dir.path().join("tokens.db")).unwrap();
        let (_, secret) = store.create("desk", Role::Viewer, None, NOW).unwrap();
        let mut used = Vec::new();
        for seconds in [0, 30, 60, 70] {
            store.verify(&secret, NOW + Duration::from_secs(seconds)).unwrap();
            used.push(store.list().unwrap()[0].last_used.unwrap().since(NOW).as_secs());
        }
        assert_eq!(used, [0, 0, 60, 60]);
    }
}
