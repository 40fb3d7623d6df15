//! Accounts, channels, and who may do what.

use rusqlite::Row;
use scylla::value::CqlValue;

use super::{Becomes, Written, blob, for_good, int, listed, lives, name, text, time, uuid, word};
use crate::{bans, follows};

pub(in crate::transfer) fn installation(row: &Row<'_>, _: i64) -> Becomes {
    let name: String = row.get(1)?;
    // What a ping left says nothing.
    if name == "ping" {
        return Ok(Vec::new());
    }
    Ok(vec![for_good("installation", vec![word(name), blob(row, 2)?])])
}

pub(in crate::transfer) fn account(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, own_name) = (uuid(row, 1)?, row.get::<_, String>(2)?);
    let look = text(row, 4)?;
    // In the file the empty text stands for no password.
    let password = row.get::<_, Option<String>>(6)?.filter(|hash| !hash.is_empty()).map(CqlValue::Text);
    let rest = vec![
        text(row, 3)?,
        look.clone(),
        text(row, 5)?,
        password,
        text(row, 7)?,
        text(row, 8)?,
        time(row, 9)?,
        time(row, 10)?,
        int(row, 11)?,
    ];
    let values = [id.clone(), word("live"), word(own_name.as_str())].into_iter().chain(rest).collect();
    Ok(vec![
        name("account", word(own_name.as_str()), &id, &id, began_ms),
        name("look", look, &id, &id, began_ms),
        listed("accounts_by_name", &own_name, &id),
        for_good("accounts", values),
    ])
}

pub(in crate::transfer) fn channel(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, own_name, owner) = (uuid(row, 1)?, row.get::<_, String>(2)?, uuid(row, 3)?);
    let mut values = vec![id.clone(), word("live"), word(own_name.as_str()), owner.clone()];
    for column in 4..=11 {
        values.push(text(row, column)?);
    }
    values.extend([time(row, 12)?, int(row, 13)?, Some(CqlValue::Boolean(row.get(14)?))]);
    let mut written = vec![
        name("channel", word(own_name.as_str()), &id, &id, began_ms),
        listed("channels_by_name", &own_name, &id),
        for_good("channels", values),
    ];
    if owner.is_some() {
        written.push(for_good("channels_by_owner", vec![owner, id, word(own_name)]));
    }
    Ok(written)
}

pub(in crate::transfer) fn key(row: &Row<'_>, began_ms: i64) -> Becomes {
    let (id, channel) = (uuid(row, 1)?, uuid(row, 2)?);
    let hash: Vec<u8> = row.get(4)?;
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let values = vec![
        channel.clone(),
        id.clone(),
        text(row, 3)?,
        Some(CqlValue::Blob(hash)),
        time(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
    ];
    let mut written = vec![name("key", word(hex), &id, &channel, began_ms), for_good("stream_keys", values)];
    if let Some(used) = time(row, 8)? {
        written.push(for_good("stream_key_uses", vec![channel, id, Some(used)]));
    }
    Ok(written)
}

pub(in crate::transfer) fn role(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let values = vec![channel.clone(), account.clone(), text(row, 3)?, time(row, 4)?];
    Ok(vec![for_good("channel_roles_by_account", vec![account, channel]), for_good("channel_roles", values)])
}

pub(in crate::transfer) fn ban(row: &Row<'_>, began_ms: i64) -> Becomes {
    let Some(lives_s) = lives(row.get(7)?, began_ms) else { return Ok(Vec::new()) };
    let (channel, account, address) = (uuid(row, 1)?, uuid(row, 2)?, blob(row, 3)?);
    let values = vec![
        channel.clone(),
        account.clone(),
        address.clone(),
        uuid(row, 4)?,
        text(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
    ];
    let mut written = vec![Written { table: "bans", values, lives_s }];
    if address.is_some() {
        written.push(Written { table: "bans_by_address", values: vec![channel, address, account], lives_s });
    }
    Ok(written)
}

pub(in crate::transfer) fn spoke_from(row: &Row<'_>, began_ms: i64) -> Becomes {
    let end = row.get::<_, i64>(4)? + bans::SPOKE_KEPT_FOR.as_secs() * 1_000;
    let Some(lives_s) = lives(Some(end), began_ms) else { return Ok(Vec::new()) };
    let values = vec![uuid(row, 1)?, uuid(row, 2)?, blob(row, 3)?, time(row, 4)?];
    Ok(vec![Written { table: "spoke_from", values, lives_s }])
}

pub(in crate::transfer) fn follow(row: &Row<'_>, _: i64) -> Becomes {
    let (channel, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let bucket = account.as_ref().and_then(CqlValue::as_uuid).map(|id| CqlValue::Int(follows::cql::bucket(id)));
    let values = vec![channel.clone(), bucket, account.clone(), time(row, 3)?];
    Ok(vec![for_good("follows_by_account", vec![account, channel]), for_good("follows", values)])
}

pub(in crate::transfer) fn family(row: &Row<'_>, began_ms: i64) -> Becomes {
    let Some(lives_s) = lives(row.get(8)?, began_ms) else { return Ok(Vec::new()) };
    let (id, account) = (uuid(row, 1)?, uuid(row, 2)?);
    let values = vec![
        id.clone(),
        account.clone(),
        blob(row, 3)?,
        text(row, 4)?,
        text(row, 5)?,
        time(row, 6)?,
        time(row, 7)?,
        time(row, 8)?,
    ];
    Ok(vec![Written { table: "families", values, lives_s }, for_good("families_by_account", vec![account, id])])
}

pub(in crate::transfer) fn identity(row: &Row<'_>, _: i64) -> Becomes {
    let (issuer, subject, account) = (text(row, 1)?, text(row, 2)?, uuid(row, 3)?);
    let values = vec![issuer.clone(), subject.clone(), account.clone(), time(row, 4)?];
    Ok(vec![for_good("identities_by_account", vec![account, issuer, subject]), for_good("identities", values)])
}

pub(in crate::transfer) fn signing_key(row: &Row<'_>, _: i64) -> Becomes {
    let values = vec![word("tokens"), int(row, 1)?, text(row, 2)?, blob(row, 3)?, time(row, 4)?];
    Ok(vec![for_good("signing_keys", values)])
}
