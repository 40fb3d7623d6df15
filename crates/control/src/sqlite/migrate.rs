//! The schema's versions: a table says which were applied; a migration runs once, in order, forward only.
//!
//! A migration is never edited once released; a change is a further file. All that are missing run in one
//! transaction, so that a crash leaves the store as it was.

use rusqlite::{Connection, TransactionBehavior, params};

use crate::error::Error;

/// Every migration, oldest first. A store's schema version is how many of them it has.
const MIGRATIONS: &[(&str, &str)] = &[
    ("begin", include_str!("0001_begin.sql")),
    ("accounts", include_str!("0002_accounts.sql")),
    ("webhooks", include_str!("0003_webhooks.sql")),
    ("messages", include_str!("0004_messages.sql")),
    ("moderation", include_str!("0005_moderation.sql")),
    ("community", include_str!("0006_community.sql")),
    ("vods", include_str!("0007_vods.sql")),
];

/// Brings the store to the newest schema.
pub(crate) fn migrate(db: &mut Connection) -> Result<(), Error> {
    run(db, MIGRATIONS)
}

fn run(db: &mut Connection, migrations: &[(&str, &str)]) -> Result<(), Error> {
    let known = u32::try_from(migrations.len()).expect("few migrations");
    // Immediate: of two processes that start at once, one migrates and the other waits.
    let migration = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migration.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_versions (
             version       INTEGER PRIMARY KEY,
             name          TEXT NOT NULL,
             applied_at_ms INTEGER NOT NULL
         ) STRICT",
    )?;
    let found: u32 =
        migration.query_row("SELECT coalesce(max(version), 0) FROM schema_versions", [], |row| row.get(0))?;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    for (version, (name, statements)) in (1_u32..).zip(migrations).skip(found as usize) {
        migration.execute_batch(statements)?;
        migration.execute(
            "INSERT INTO schema_versions (version, name, applied_at_ms) VALUES (?1, ?2, ?3)",
            params![version, name, jiff::Timestamp::now().as_millisecond()],
        )?;
        tracing::info!(version, name, "store migrated");
    }
    migration.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[(&str, &str)] =
        &[("begin", "CREATE TABLE a (x INTEGER)"), ("more", "ALTER TABLE a ADD COLUMN y INTEGER")];

    #[test]
    fn each_migration_runs_once() {
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, &TWO[..1]).unwrap();
        db.execute("INSERT INTO a (x) VALUES (7)", []).unwrap();
        run(&mut db, TWO).unwrap();
        run(&mut db, TWO).unwrap();
        let kept: i64 = db.query_row("SELECT x FROM a WHERE y IS NULL", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7);
    }

    #[test]
    fn a_store_of_a_newer_weir_is_refused_and_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, TWO).unwrap();
        let error = run(&mut db, &TWO[..1]).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, known: 1 }), "{error}");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let mut db = Connection::open_in_memory().unwrap();
        run(&mut db, &[("begin", "CREATE TABLE a (x INTEGER)"), ("bad", "CREATE TABLE b (x INTEGER); NONSENSE")])
            .unwrap_err();
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
    }
}
