//! The whole server, started as a user starts it, with real clients: ffmpeg, Chromium, ffprobe, GStreamer, nginx.
//!
//! One binary, so that it links once. Each file is one promise: [`watching`] (OBS to a browser), [`players`] (other
//! people's players and caches), [`codecs`] (what RTMP can carry), [`lifecycle`] (publishers come, go, come back),
//! [`origin`] (LL-HLS rules on a real stream), [`recordings`] (what is recorded can be watched), [`whep`] (watching over WebRTC), [`whip`] (publishing over it),
//! [`webrtc_links`] (bad networks), [`webrtc_clients`] (other people's WebRTC), [`webrtc_latency`] (how old a picture is),
//! [`chat`] (rooms), [`chat_chaos`] (rooms on servers that break), [`chat_history`] (what was said in them, for good), [`chat_hostile`] (bad clients of rooms), [`chat_moderation`] (what moderators do), [`chat_page`] (rooms in the browser), [`community`] (followers, emotes, who is there), [`operating`] (start, stop, settings), [`cluster`] (several servers on one store), [`studio`]
//! (accounts in the browser, pages that anybody can use), [`oidc`] (accounts elsewhere), [`api`] (the API and its
//! description), [`hostile`] and [`traversal`] (bad input).

mod api;
mod chat;
mod chat_chaos;
mod chat_history;
mod chat_hostile;
mod chat_moderation;
mod chat_order;
mod chat_page;
mod chat_reading;
mod cluster;
mod codecs;
mod community;
mod hostile;
mod lifecycle;
mod oidc;
mod operating;
mod origin;
mod pages_webrtc;
mod players;
mod recordings;
mod studio;
mod traversal;
mod watching;
mod webrtc_clients;
mod webrtc_latency;
mod webrtc_links;
mod whep;
mod whip;
