//! `weir admin`: asks the running server.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use http::Method;
use serde_json::{Value, json};

use super::channel::{channel_name, minute};
use crate::{
    Failure,
    cli::{AdminCall, Settings},
    config::{Config, load},
    internal::{Listed, ListedAccount, ListedEntry, client},
};

pub(crate) async fn run(settings: &Settings, call: AdminCall) -> Result<(), Failure> {
    let config = load(&settings.sources())?.config;
    match call {
        AdminCall::Users => {
            println!("{:32}  {:5}  {:16}  SUSPENDED (UTC)", "ACCOUNT", "ROLE", "MADE (UTC)");
            let mut next = None;
            loop {
                let page: Listed<ListedAccount> = page(&config, "/accounts", next).await?;
                page.items.iter().for_each(|account| println!("{}", account_row(account)));
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
        }
        AdminCall::Suspend { name } => {
            let name = channel_name(&name)?;
            let path = format!("/accounts/{name}/suspension");
            let _: Value = client::call(&config, Method::PUT, &path, &json!(null)).await?;
            println!("{name} is suspended: logged out everywhere, and neither logs in nor publishes.");
        }
        AdminCall::Unsuspend { name } => {
            let name = channel_name(&name)?;
            let path = format!("/accounts/{name}/suspension");
            let _: Value = client::call(&config, Method::DELETE, &path, &json!(null)).await?;
            println!("{name} is not suspended.");
        }
        AdminCall::Kill { name } => {
            let name = channel_name(&name)?;
            let path = format!("/channels/{name}/session");
            let ended: Value = client::call(&config, Method::DELETE, &path, &json!(null)).await?;
            match ended["was_live"] == true {
                true => println!("The stream of {name} ends."),
                false => println!("{name} was not live."),
            }
        }
        AdminCall::Audit { entries } => {
            println!("{:19}  {:16}  {:20}  {:20}  DETAIL", "AT (UTC)", "WHO", "WHAT", "TO WHAT");
            let (mut next, mut left) = (None, entries);
            while left > 0 {
                let page: Listed<ListedEntry> = page(&config, "/audit", next).await?;
                page.items.iter().take(left).for_each(|entry| println!("{}", entry_row(entry)));
                left = left.saturating_sub(page.items.len());
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn page<T: serde::de::DeserializeOwned>(
    config: &Config,
    path: &str,
    after: Option<String>,
) -> Result<Listed<T>, Failure> {
    // What comes after is a name or an id: nothing of it needs to be escaped.
    let path = after.map_or_else(|| path.to_owned(), |after| format!("{path}?after={after}"));
    client::call(config, Method::GET, &path, &json!(null)).await
}

fn account_row(account: &ListedAccount) -> String {
    let suspended = account.suspended_at.as_deref().map_or_else(String::new, minute);
    let made = minute(&account.created_at);
    format!("{:32}  {:5}  {made:16}  {suspended}", account.username, account.role).trim_end().to_owned()
}

fn entry_row(entry: &ListedEntry) -> String {
    let at: String =
        entry.at.chars().take("2026-01-01T00:00:00".len()).map(|c| if c == 'T' { ' ' } else { c }).collect();
    let who = if entry.address.is_empty() { entry.actor.clone() } else { format!("{} {}", entry.actor, entry.address) };
    let detail = if entry.detail == "{}" { "" } else { &entry.detail };
    format!("{at}  {who:16}  {:20}  {:20}  {detail}", entry.action, entry.target).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_stands_in_columns() {
        let entry = ListedEntry {
            id: String::new(),
            at: "2026-01-02T03:04:05.678Z".into(),
            actor: "operator".into(),
            address: String::new(),
            action: "session.end".into(),
            target: "anna".into(),
            detail: "{}".into(),
        };
        assert_eq!(entry_row(&entry), "2026-01-02 03:04:05  operator          session.end           anna");
    }
}
