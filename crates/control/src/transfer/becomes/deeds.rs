//! What was published, recorded, told to hooks and noted.

use rusqlite::Row;
use scylla::value::CqlValue;

use super::{Becomes, OUTLIVES_S, Written, bigint, blob, for_good, int, text, time, uuid};
use crate::{audit, webhooks};

/// How long publishes and the outcomes of hooks live, in seconds, as their tables say.
const PUBLISH_LIVES_S: i32 = 34_560_000;
const OUTCOME_LIVES_S: i32 = 2_592_000;

pub(in crate::transfer) fn session(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, started_at, id) = (text(row, 1)?, time(row, 2)?, text(row, 3)?);
    let (key, protocol) = (uuid(row, 4)?, text(row, 5)?);
    let by_id = vec![id.clone(), channel.clone(), started_at.clone(), key.clone(), protocol.clone()];
    let values = vec![channel, started_at, id, key, protocol, time(row, 6)?, text(row, 7)?, bigint(row, 8)?];
    let publish = |table, values| Written { table, values, lives_s: PUBLISH_LIVES_S };
    Ok(vec![publish("publishes_by_id", by_id), publish("publishes", values)])
}

pub(in crate::transfer) fn vod(row: &Row<'_>, _: i64) -> Becomes {
    let (id, channel, node) = (uuid(row, 1)?, uuid(row, 2)?, uuid(row, 8)?);
    let mut values = vec![id.clone(), channel.clone()];
    for column in 3..=7 {
        values.push(text(row, column)?);
    }
    let rest = [node.clone(), time(row, 9)?, bigint(row, 10)?, bigint(row, 11)?, int(row, 12)?];
    values.extend(rest);
    let mut written = vec![for_good("vods_by_channel", vec![channel, id.clone()]), for_good("vods", values)];
    if row.get::<_, String>(4)? == "recording" {
        written.push(for_good("vods_recording", vec![node, id]));
    }
    Ok(written)
}

pub(in crate::transfer) fn hook(row: &Row<'_>, _: i64) -> Becomes {
    let (whose, id) = (text(row, 1)?, uuid(row, 2)?);
    let values =
        vec![whose.clone(), id.clone(), text(row, 3)?, text(row, 4)?, blob(row, 5)?, uuid(row, 6)?, time(row, 7)?];
    let mut written = vec![for_good("hooks", values)];
    if let Some(last_at) = time(row, 8)? {
        let ok = row.get::<_, Option<bool>>(9)?.map(CqlValue::Boolean);
        let values = vec![whose, id, Some(last_at), ok, text(row, 10)?];
        written.push(Written { table: "hook_outcomes", values, lives_s: OUTCOME_LIVES_S });
    }
    Ok(written)
}

pub(in crate::transfer) fn delivery(row: &Row<'_>, _: i64) -> Becomes {
    let id = uuid(row, 1)?;
    let shard = id.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(webhooks::cql::shard(id)));
    let values =
        vec![shard, id, uuid(row, 2)?, text(row, 3)?, text(row, 4)?, time(row, 5)?, int(row, 6)?, time(row, 7)?];
    Ok(vec![Written { table: "deliveries", values, lives_s: i32::try_from(OUTLIVES_S).unwrap_or(0) }])
}

pub(in crate::transfer) fn audit_entry(row: &Row<'_>, _: i64) -> Becomes {
    let (scope, id) = (text(row, 1)?, uuid(row, 2)?);
    let bucket = id.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(audit::cql::bucket(id)));
    let mut values = vec![scope.clone(), bucket.clone(), id, time(row, 3)?];
    for column in 4..=8 {
        values.push(text(row, column)?);
    }
    Ok(vec![for_good("audit", values), for_good("audit_buckets", vec![scope, bucket])])
}
