//! Pictures that strangers send: the API asks for them to be made anew, worker processes do it.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use weir_control::emotes::{Maker, NotMade, Picture};
use weir_pictures::{Failed, Workers};

/// Makes pictures for the API.
pub(crate) struct Pictures(pub(crate) Workers);

impl Maker for Pictures {
    fn make(&self, sent: Bytes) -> Pin<Box<dyn Future<Output = Result<Picture, NotMade>> + Send + '_>> {
        Box::pin(async move {
            match self.0.make(sent).await {
                Ok(made) => {
                    Ok(Picture { png: made.png, width: made.width, height: made.height, animated: made.animated })
                }
                Err(Failed::Refused(refused)) => Err(NotMade::Refused(refused.to_string())),
                // Its log says why no process could be started.
                Err(Failed::Busy | Failed::NoWorker(_)) => Err(NotMade::Busy),
            }
        })
    }
}
