//! Real frames through the real muxers.

mod actors;
mod clip;
pub(crate) use clip::Clip;
mod layers;
mod media;
mod seen;

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use weir_hls::{Limits, Store};
use weir_identity::{ChannelName, KeyId};
use weir_media::{Conflict, Frame, Publish, Publisher, Registry, Track};

use crate::{Config, package::Package, session::Station};

/// When all publishers' clocks began.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn channel() -> ChannelName {
    ChannelName::parse("anna").expect("a good name")
}

fn publish(registry: &Registry) -> Publisher {
    let publish = Publish {
        channel: channel(),
        key: KeyId::new(),
        conflict: Conflict::TakeOver,
        private: false,
        protocol: "rtmp",
    };
    registry.publish(publish).expect("there is room")
}

/// A channel that packages without actors.
struct House {
    registry: Registry,
    store: Store,
    station: Arc<Station>,
}

impl House {
    fn new() -> Self {
        Self::with_spool(None)
    }

    fn with_spool(spool: Option<crate::Spool>) -> Self {
        crate::init().expect("GStreamer is installed");
        let store = Store::new(Limits::default());
        let station = Arc::new(Station::new(Config::default(), channel(), false, store.clone(), spool, None));
        Self { registry: Registry::new(9), store, station }
    }

    /// A whole publish: its tracks, then its frames.
    async fn package(&self, tracks: &[&Track], frames: Vec<Frame>) -> Result<(), crate::Error> {
        let publisher = publish(&self.registry);
        let mut package = Package::new(self.station.clone(), publisher.live().clone());
        for track in tracks {
            package.track(Arc::new((*track).clone())).await?;
        }
        for frame in frames {
            package.frame(frame).await?;
        }
        package.finish().await
    }

    fn stream(&self) -> Arc<weir_hls::Stream> {
        self.store.current(&channel()).expect("it is live")
    }
}
