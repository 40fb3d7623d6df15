//! What was said in rooms, and what moderators have of it.

use rusqlite::Row;
use scylla::value::CqlValue;
use uuid::Uuid;
use weir_identity::MessageId;

use super::{Becomes, Written, at, blob, for_good, id, int, lives, text, time, uuid};
use crate::{held, messages, reports};

pub(in crate::transfer) fn held(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(7)? + held::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let mut values = vec![uuid(row, 1)?, uuid(row, 2)?, uuid(row, 3)?];
    for column in 4..=6 {
        values.push(text(row, column)?);
    }
    values.extend([time(row, 7)?, time(row, 8)?]);
    Ok(vec![Written { table: "held", values, lives_s }])
}

pub(in crate::transfer) fn reported(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(7)? + reports::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let (channel, message, at) = (uuid(row, 1)?, uuid(row, 2)?, time(row, 7)?);
    if row.get(8)? {
        return Ok(vec![Written { table: "settled_reports", values: vec![channel, message, at], lives_s }]);
    }
    let values = vec![channel, message, uuid(row, 3)?, text(row, 4)?, text(row, 5)?, time(row, 6)?, at];
    Ok(vec![Written { table: "reported", values, lives_s }])
}

pub(in crate::transfer) fn report(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(5)? + reports::KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let values = vec![uuid(row, 1)?, uuid(row, 2)?, uuid(row, 3)?, text(row, 4)?, time(row, 5)?];
    Ok(vec![Written { table: "reports", values, lives_s }])
}

pub(in crate::transfer) fn word_list(row: &Row<'_>, _: i64) -> Becomes {
    Ok(vec![for_good("words", vec![uuid(row, 1)?, int(row, 2)?, text(row, 3)?])])
}

pub(in crate::transfer) fn emote(row: &Row<'_>, _: i64) -> Becomes {
    let (id, animated) = (uuid(row, 1)?, CqlValue::Boolean(row.get(6)?));
    let values = vec![
        text(row, 2)?,
        text(row, 3)?,
        id.clone(),
        int(row, 4)?,
        int(row, 5)?,
        Some(animated),
        uuid(row, 7)?,
        time(row, 8)?,
    ];
    Ok(vec![for_good("emote_images", vec![id, blob(row, 9)?]), for_good("emotes", values)])
}

pub(in crate::transfer) fn room(row: &Row<'_>, _: i64) -> Becomes {
    let channel = uuid(row, 1)?;
    if channel.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![for_good("rooms", vec![channel, text(row, 2)?, id(row, 3)?])])
}

pub(in crate::transfer) fn message(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, id_of, account) = (uuid(row, 1)?, id(row, 2)?, uuid(row, 3)?);
    let speaker: Option<i64> = row.get(13)?;
    let Some(message) = row.get::<_, Option<[u8; 16]>>(2)?.map(MessageId::from_bytes) else { return Ok(Vec::new()) };
    // What a channel or an account left that is gone stays behind.
    if channel.is_none() || (speaker.is_some() && account.is_none()) {
        return Ok(Vec::new());
    }
    let bucket = Some(CqlValue::Int(messages::cql::bucket(message)));
    let filled = |column| Ok::<_, rusqlite::Error>(text(row, column)?.filter(|_| speaker.is_some()));
    let display_name = filled(5)?.filter(|name| *name != CqlValue::Text(String::new()));
    let deleted: bool = row.get(12)?;
    let values = vec![
        channel.clone(),
        bucket.clone(),
        id_of,
        account.clone(),
        text(row, 4)?,
        display_name,
        filled(6)?,
        filled(7)?.filter(|_| !deleted),
        time(row, 8)?.filter(|_| speaker.is_some()),
        id(row, 9)?,
        text(row, 10)?,
        text(row, 11)?,
        deleted.then_some(CqlValue::Boolean(true)),
        text(row, 14)?,
        text(row, 15)?,
    ];
    let mut written = vec![for_good("messages", values)];
    if account.is_some() {
        written.push(for_good("message_buckets", vec![channel.clone(), bucket.clone()]));
        written.push(for_good("message_speakers", vec![account, channel, bucket]));
    }
    Ok(written)
}

pub(in crate::transfer) fn message_clear(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account, of_all) = (uuid(row, 1)?, uuid(row, 2)?, row.get::<_, i64>(4)? == 0);
    let account = account.or(of_all.then_some(CqlValue::Uuid(Uuid::nil())));
    if channel.is_none() || account.is_none() {
        return Ok(Vec::new());
    }
    let until = at(messages::sqlite::last_ms_before(row.get(3)?));
    Ok(vec![for_good("message_clears", vec![channel, account, Some(until)])])
}
