//! `weir channel`: asks the running server.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use http::Method;
use serde_json::{Value, json};
use weir_identity::ChannelName;

use crate::{
    Failure,
    cli::{ChannelCall, SecondPublisher, Settings},
    config::load,
    internal::{Created, KeyChoice, NewChannel, Policy, client},
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

fn channel_name(text: &str) -> Result<ChannelName, String> {
    ChannelName::parse(text).map_err(|error| format!("{text:?} cannot be a channel: {error}"))
}

fn what_obs_needs(created: &Created) -> String {
    [
        format!("Channel {}. The key is shown once. Keep it.", created.channel),
        String::new(),
        format!("  Watch         {}", created.page),
        "  OBS: Settings, Stream, Service \"Custom…\"".into(),
        format!("  Server        {}", created.rtmp_server),
        format!("  Stream key    {}", created.key),
        format!("  WHIP          {}, with the key as bearer token", created.whip_url),
        String::new(),
    ]
    .join("\n")
}
