//! The store against a real Cassandra: what every store does, and what only several nodes can get wrong.

mod loss;
mod races;

use weir_testkit::cassandra::Cassandra;

use super::{
    Cql, installation,
    migrate::{MIGRATIONS, statements},
    names,
};
use crate::{
    accounts, audit, bans, channels, conformance, emotes, families, follows, held, idempotency, keys, messages,
    oidc_identities, reports, roles, sessions, signing,
    store::{Answer, Config, Place},
    vods, webhooks, words,
};

/// A keyspace of one test, on the Cassandra that all tests of this process share.
pub(crate) async fn config() -> Config {
    let cassandra = tokio::task::spawn_blocking(Cassandra::shared).await.unwrap();
    Config { url: cassandra.url(&format!("t{}", uuid::Uuid::now_v7().simple())), ..Config::default() }
}

pub(crate) fn open(config: &Config) -> Answer<'_, Cql> {
    Box::pin(async {
        let Place::Cql(cluster) = Place::parse(&config.url, std::path::Path::new(""))? else {
            unreachable!("a cluster")
        };
        Box::pin(Cql::open(&cluster, config)).await
    })
}

#[tokio::test]
async fn it_does_what_every_store_does() {
    let config = config().await;
    conformance::all(&open(&config).await.unwrap()).await;
}

/// Every statement there is, with its kind. A domain's new `cql.rs` stands here too.
fn texts() -> Vec<(&'static str, &'static str)> {
    let all: [&[(&str, &str)]; 22] = [
        accounts::cql::Rows::TEXTS,
        accounts::cql::removal::Statements::TEXTS,
        audit::cql::Statements::TEXTS,
        bans::cql::Statements::TEXTS,
        channels::cql::Rows::TEXTS,
        emotes::cql::Statements::TEXTS,
        families::cql::Statements::TEXTS,
        follows::cql::Rows::TEXTS,
        idempotency::cql::Statements::TEXTS,
        installation::Statements::TEXTS,
        keys::cql::Statements::TEXTS,
        messages::cql::Rows::TEXTS,
        names::Statements::TEXTS,
        oidc_identities::cql::Statements::TEXTS,
        roles::cql::Statements::TEXTS,
        sessions::cql::Statements::TEXTS,
        signing::cql::Statements::TEXTS,
        vods::cql::Statements::TEXTS,
        webhooks::cql::Statements::TEXTS,
        held::cql::Statements::TEXTS,
        reports::cql::Statements::TEXTS,
        words::cql::Statements::TEXTS,
    ];
    all.concat()
}

#[test]
fn a_statement_is_of_the_kind_that_it_is_prepared_as() {
    for (kind, text) in texts() {
        let (is_read, decides) = (text.starts_with("SELECT "), text.contains(" IF "));
        assert_eq!((is_read, decides), (kind == "Read", kind == "Decide"), "{kind}: {text}");
        let inserts = text.starts_with("INSERT ");
        assert!(inserts || text.contains(" WHERE "), "no partition is named: {text}");
        // A date that is given is the same each time.
        let text = text.replace("USING TIMESTAMP ?", "");
        assert!(!text.contains("now()") && !text.contains("TIMESTAMP"), "the same each time it runs: {text}");
    }
}

#[test]
fn a_table_is_written_by_conditional_statements_or_by_plain_ones() {
    let table = |text: &'static str| {
        let after =
            ["INSERT INTO ", "UPDATE ", " FROM "].iter().find_map(|word| text.split_once(word)).expect("a write");
        after.1.split(' ').next().expect("a table")
    };
    // The bans of a channel that is gone are removed at once; nobody reads them any more.
    let writes =
        texts().into_iter().filter(|(kind, text)| *kind != "Read" && *text != "DELETE FROM bans WHERE channel = ?");
    let (plain, conditional): (Vec<_>, Vec<_>) = writes.partition(|(kind, _)| *kind == "Write");
    for (_, text) in plain {
        let other = conditional.iter().find(|(_, other)| table(other) == table(text));
        assert_eq!(other, None, "{text}");
    }
}

#[test]
fn the_schema_needs_no_index_and_may_run_twice() {
    for migration in MIGRATIONS {
        for statement in statements(migration.text()) {
            let well = statement.starts_with("CREATE TABLE IF NOT EXISTS ") || statement.starts_with("ALTER TABLE ");
            assert!(well, "{statement}");
            if let Some(change) = statement.strip_prefix("ALTER TABLE ") {
                let words: Vec<&str> = change.split_whitespace().collect();
                assert!(words.get(1) == Some(&"ADD") && words.len() == 4, "one column each: {statement}");
            }
        }
    }
}
