//! `weir channel`: asks the running server.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use http::Method;
use serde_json::{Value, json};
use weir_identity::{ChannelName, KeyId};

use crate::{
    Failure,
    cli::{ChannelCall, SecondPublisher, Settings},
    config::load,
    internal::{Created, Cut, KeyChoice, KeyState, ListedKey, NewChannel, NewKey, Policy, client},
};

pub(crate) async fn run(settings: &Settings, call: ChannelCall) -> Result<(), Failure> {
    let config = load(&settings.sources())?.config;
    match call {
        ChannelCall::Create { name, key } => {
            let body = NewChannel { name, key };
            let created: Created = client::call(&config, Method::POST, "/channels", &body).await?;
            println!("{}", what_obs_needs(&created));
        }
        ChannelCall::RotateKey { name, key } => {
            let name = channel_name(&name)?;
            let path = format!("/channels/{name}/rotate-key");
            let created: Created = client::call(&config, Method::POST, &path, &KeyChoice { key }).await?;
            println!("{}", what_obs_needs(&created));
            match created.cut {
                0 => {}
                1 => println!("The publisher that used the old key was cut."),
                cut => println!("{cut} publishers that used old keys were cut."),
            }
        }
        ChannelCall::Keys { name } => {
            let path = format!("/channels/{}/keys", channel_name(&name)?);
            let mut list: Value = client::call(&config, Method::GET, &path, &json!(null)).await?;
            println!("{}", key_table(&serde_json::from_value::<Vec<ListedKey>>(list["items"].take())?));
        }
        ChannelCall::AddKey { channel, name, key, expires } => {
            let path = format!("/channels/{}/keys", channel_name(&channel)?);
            let created: Created = client::call(&config, Method::POST, &path, &NewKey { name, key, expires }).await?;
            println!("{}", what_obs_needs(&created));
        }
        ChannelCall::RevokeKey { name, id } => {
            let (name, id) = (channel_name(&name)?, key_id(&id)?);
            let path = format!("/channels/{name}/keys/{id}");
            let Cut { cut } = client::call(&config, Method::DELETE, &path, &json!(null)).await?;
            println!("The key {id} of {name} is revoked.");
            if cut > 0 {
                println!("The publisher that used it was cut.");
            }
        }
        ChannelCall::SecondPublisher { name, gets } => {
            let name = channel_name(&name)?;
            let body = Policy { refuse: gets == SecondPublisher::Refuse };
            let path = format!("/channels/{name}/second-publisher");
            let _: Value = client::call(&config, Method::POST, &path, &body).await?;
            match gets {
                SecondPublisher::TakeOver => println!("A second publisher takes over {name}."),
                SecondPublisher::Refuse => println!("A second publisher of {name} is refused while it is live."),
            }
        }
        ChannelCall::List => {
            let list: Value = client::call(&config, Method::GET, "/channels", &json!(null)).await?;
            println!("{:32}  {:7}  {:>4}  TITLE", "CHANNEL", "STATE", "KEYS");
            for channel in list["items"].as_array().into_iter().flatten() {
                let state = if channel["live"] == true { "live" } else { "offline" };
                let text = |key: &str| channel[key].as_str().unwrap_or_default().to_owned();
                println!("{:32}  {state:7}  {:>4}  {}", text("name"), channel["keys"], text("title"));
            }
        }
    }
    Ok(())
}

pub(super) fn channel_name(text: &str) -> Result<ChannelName, String> {
    ChannelName::parse(text).map_err(|error| format!("{text:?} cannot be a channel: {error}"))
}

fn key_id(text: &str) -> Result<KeyId, String> {
    text.parse().map_err(|_| format!("{text:?} is no id of a key: `weir channel keys NAME` prints them"))
}

fn key_table(keys: &[ListedKey]) -> String {
    let head = format!("{:36}  {:7}  {:16}  {:16}  {:16}  NAME", "ID", "STATE", "MADE (UTC)", "LAST USED", "EXPIRES");
    let row = |key: &ListedKey| {
        let state = match key.state {
            KeyState::Live => "live",
            KeyState::Usable => "usable",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        };
        let made = minute(&key.created_at);
        let [used, expires] =
            [&key.last_used_at, &key.expires_at].map(|at| at.as_deref().map_or("never".into(), minute));
        format!("{:36}  {state:7}  {made:16}  {used:16}  {expires:16}  {}", key.id, key.name)
    };
    std::iter::once(head).chain(keys.iter().map(row)).collect::<Vec<_>>().join("\n")
}

/// An RFC 3339 time to the minute, which is what fits a line.
pub(super) fn minute(time: &str) -> String {
    time.chars().take("2026-01-01T00:00".len()).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

fn what_obs_needs(created: &Created) -> String {
    let mut lines = vec![
        format!("Channel {}. The key is shown once. Keep it.", created.channel),
        String::new(),
        format!("  Watch         {}", created.page),
        "  OBS: Settings, Stream, Service \"Custom…\"".into(),
        format!("  Server        {}", created.rtmp_server),
        format!("  Stream key    {}", created.key),
        format!("  WHIP          {}, with the key as bearer token", created.whip_url),
        String::new(),
        format!("  Key's id      {}, for `weir channel revoke-key`", created.key_id),
    ];
    if let Some(expires) = &created.expires_at {
        lines.push(format!("  Expires       {} UTC", minute(expires)));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed_in_columns() {
        let key = ListedKey {
            id: KeyId::new().to_string(),
            name: "OBS at home".into(),
            created_at: "2026-01-02T03:04:05.678Z".into(),
            last_used_at: None,
            expires_at: Some("2026-02-02T03:04:05Z".into()),
            state: KeyState::Live,
        };
        let table = key_table(std::slice::from_ref(&key));
        let [head, row] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
        assert_eq!(
            row,
            format!("{}  live     2026-01-02 03:04  never             2026-02-02 03:04  OBS at home", key.id)
        );
        assert_eq!(head.find("NAME"), row.find("OBS"));
    }
}
