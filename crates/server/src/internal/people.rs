//! The command line's calls about accounts and what was done.

use std::collections::HashMap;

use super::*;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use weir_control::{
    Presence,
    audit::{Actor, Deed, Scope},
};
use weir_identity::ChannelName;

/// Items of a page.
const PAGE: usize = 200;

/// Which page.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    /// The last of the page before.
    after: Option<String>,
}

/// An account in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedAccount {
    /// What it logs in with.
    pub(crate) username: String,
    /// `user` or `admin`.
    pub(crate) role: String,
    /// When it was made, RFC 3339 UTC, as all times here.
    pub(crate) created_at: String,
    /// Since when it is suspended.
    pub(crate) suspended_at: Option<String>,
}

/// An entry of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListedEntry {
    /// Its id; sorts by time.
    pub(crate) id: String,
    /// When.
    pub(crate) at: String,
    /// Who.
    pub(crate) actor: String,
    /// From where.
    pub(crate) address: String,
    /// What.
    pub(crate) action: String,
    /// To what.
    pub(crate) target: String,
    /// What changed, JSON.
    pub(crate) detail: String,
}

/// A page of either.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listed<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// Where the next one begins; nothing at the end.
    pub(crate) next: Option<String>,
}

impl<T> Listed<T> {
    fn of(items: Vec<T>, last: impl FnOnce(&T) -> String) -> Self {
        let next = items.last().filter(|_| items.len() == PAGE).map(last);
        Self { items, next }
    }
}

pub(super) async fn accounts(State(internal): State<Internal>, Query(page): Query<After>) -> Result<Response, Problem> {
    let after = page.after.as_deref().map(calls::channel_name).transpose()?;
    let accounts = internal.operators.store().accounts(after, PAGE).await?;
    let listed = accounts.into_iter().map(|account| ListedAccount {
        username: account.name.to_string(),
        role: account.role.as_str().to_owned(),
        created_at: account.created_at.to_string(),
        suspended_at: account.suspended_at.map(|at| at.to_string()),
    });
    Ok(Json(Listed::of(listed.collect(), |account| account.username.clone())).into_response())
}

pub(super) async fn suspend(State(internal): State<Internal>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (name, deed) = (calls::channel_name(&name)?, Deed::by_operator("account.suspend"));
    internal.operators.suspend(&name, deed).await?;
    Ok(Json(json!({})).into_response())
}

pub(super) async fn lift(State(internal): State<Internal>, Path(name): Path<String>) -> Result<Response, Problem> {
    let (name, deed) = (calls::channel_name(&name)?, Deed::by_operator("account.unsuspend"));
    internal.operators.lift(&name, deed).await?;
    Ok(Json(json!({})).into_response())
}

pub(super) async fn end_session(
    State(internal): State<Internal>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name: ChannelName = calls::channel_name(&name)?;
    let store = internal.operators.store();
    let channel = store.channel_named(&name).await?.ok_or_else(|| Problem::channel_not_found(name.as_str()))?;
    let was_live = internal.streams.is_live(&name);
    internal.streams.end(&name);
    Deed::by_operator("session.end").on(&channel).note(store).await;
    Ok(Json(json!({ "was_live": was_live })).into_response())
}

pub(super) async fn audit(State(internal): State<Internal>, Query(page): Query<After>) -> Result<Response, Problem> {
    let before = page.after.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| Problem::bad_request("`after` must be the `next` of an earlier page."))?;
    let store = internal.operators.store();
    let (mut items, mut names) = (Vec::new(), HashMap::new());
    for entry in store.audit(Scope::Installation, before, PAGE).await? {
        let actor = match entry.actor {
            Actor::Account(id) if !names.contains_key(&id) => {
                let name = store.account(id).await?.map_or_else(|| id.to_string(), |account| account.name.to_string());
                names.insert(id, name.clone());
                name
            }
            Actor::Account(id) => names[&id].clone(),
            other => other.to_text(),
        };
        items.push(ListedEntry {
            id: entry.id.to_string(),
            at: entry.at.to_string(),
            actor,
            address: entry.address,
            action: entry.action,
            target: entry.target,
            detail: entry.detail,
        });
    }
    Ok(Json(Listed::of(items, |entry| entry.id.clone())).into_response())
}
