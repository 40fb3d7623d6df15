//! Addresses as they are kept, and bans that cover them.

use serde_json::{Value, json};
use weir_identity::{ChannelId, KeySecret};

use super::hash_address;
use crate::testing::Server;

#[test]
fn addresses_of_one_network_are_one_and_of_two_channels_two() {
    let (secret, channel) = (KeySecret::random(), ChannelId::new());
    let of = |text: &str| hash_address(&secret, channel, text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_ne!(of("192.0.2.1"), of("::c000:201"));
    assert_ne!(of("192.0.2.1"), hash_address(&secret, ChannelId::new(), [192, 0, 2, 1].into()));
    assert_ne!(of("192.0.2.1"), hash_address(&KeySecret::random(), channel, [192, 0, 2, 1].into()));
}

#[tokio::test]
async fn a_ban_covers_the_address_that_was_last_written_from() {
    let server = Server::start().await;
    let (owner, _) = (server.token("carla").await, server.token("trudy").await);
    let channel = server.store.channel_named(&"carla".parse().unwrap()).await.unwrap().unwrap().id;
    let trudy = server.store.account_named(&"trudy".parse().unwrap()).await.unwrap().unwrap().id;
    let path = "/api/v1/channels/carla/bans/trudy";
    let ban = async || server.with(&owner, "PUT", path, json!({"address": true})).await.body["address"].clone();
    assert_eq!(ban().await, json!(false), "nobody knows from where");
    server.store.spoke(channel, trudy, [7; 32], jiff::Timestamp::now()).await.unwrap();
    server.told();
    assert_eq!(ban().await, json!(true));
    assert!(server.store.ban_of_address(channel, [7; 32]).await.unwrap().is_some());
    assert_eq!(server.told(), ["banned true", "rights of addresses"]);
    assert_eq!(server.with(&owner, "DELETE", path, Value::Null).await.status, 204);
    assert_eq!(server.told(), ["banned false", "rights of addresses"], "both are lifted");
    assert_eq!(server.store.ban_of_address(channel, [7; 32]).await.unwrap(), None);
    let list = server.with(&owner, "GET", "/api/v1/channels/carla/bans", Value::Null).await;
    assert_eq!(list.body["items"], json!([]));
}
