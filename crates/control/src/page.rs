//! Pages of lists: `?limit=&cursor=`, and `next` for what follows.

use std::str::FromStr;

use axum::extract::{Query, rejection::QueryRejection};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

/// Items of a page without `limit`.
const DEFAULT: usize = 50;
/// Most items of a page.
const MAX: usize = 200;

/// Which page.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of a list by name, as the description of the API has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is described, and read as a `Page`")]
pub(crate) struct PageByName {
    /// At most so many, 1 to 200; 50 without it.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{3,32}$")]
    cursor: Option<String>,
}

/// A page of a list by id, as the description of the API has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is described, and read as a `Page`")]
pub(crate) struct PageById {
    /// At most so many, 1 to 200; 50 without it.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(format = "uuid", pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    cursor: Option<String>,
}

impl Page {
    /// After what the page begins, and how many it has.
    pub(crate) fn of<C: FromStr>(page: Result<Query<Self>, QueryRejection>) -> Result<(Option<C>, usize), Problem> {
        let Query(page) = page.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        let limit = page.limit.unwrap_or(DEFAULT);
        if !(1..=MAX).contains(&limit) {
            return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX}.")));
        }
        let cursor = page.cursor.map(|cursor| cursor.parse()).transpose();
        let cursor = cursor.map_err(|_| Problem::bad_request("`cursor` must be the `next` of an earlier page."))?;
        Ok((cursor, limit))
    }
}

/// A page that was read, and where the next begins.
pub(crate) struct Paged<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> Paged<T> {
    /// A page of `limit` from what was read, which is one more where there is more.
    pub(crate) fn of(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}
