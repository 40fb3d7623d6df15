//! WebRTC in a browser's page with plain means, as whoever writes a page of their own would: watching over WHEP,
//! publishing a canvas over WHIP.

use serde_json::Value;

use crate::browser::Browser;

/// JavaScript: watches `CHANNEL` as `window.whep`.
const WATCH: &str = r"(async () => {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const stream = new MediaStream();
  pc.ontrack = ({ track, receiver }) => { receiver.jitterBufferTarget = 0; stream.addTrack(track); };
  pc.addTransceiver('video', { direction: 'recvonly' });
  pc.addTransceiver('audio', { direction: 'recvonly' });
  const video = document.createElement('video');
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
  document.body.replaceChildren(video);
  await pc.setLocalDescription(await pc.createOffer());
  const posted = await fetch('/whep/CHANNEL', {
    method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp,
  });
  const answer = await posted.text();
  if (posted.status !== 201) return `${posted.status} ${answer}`;
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  window.whep = { pc, video };
  window.whep.stats = async (kind) => {
    const found = {}, reports = await pc.getStats();
    reports.forEach((report) => {
      if (report.type === 'inbound-rtp' && report.kind === kind) Object.assign(found, report);
      if (report.type === 'transport') {
        const pair = reports.get(report.selectedCandidatePairId);
        found.protocol = pair && reports.get(pair.localCandidateId)?.protocol;
      }
    });
    return found;
  };
  return 'well';
})()";

/// JavaScript: publishes a canvas and a tone as `window.whip`. `KEY`, `SIZE`, `DRAW` and `ENCODINGS` are put in.
const PUBLISH: &str = r"(async () => {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, SIZE);
  document.body.replaceChildren(canvas);
  const context = canvas.getContext('2d', { desynchronized: true });
  const draw = DRAW;
  draw(context, 0);
  let count = 0;
  const stream = canvas.captureStream(30);
  setInterval(() => draw(context, ++count), 1000 / 30);
  const sound = new AudioContext(), tone = sound.createOscillator(), out = sound.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  stream.addTrack(out.stream.getAudioTracks()[0]);
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  for (const track of stream.getTracks()) {
    const sendEncodings = track.kind === 'video' ? ENCODINGS : [{}];
    pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings });
  }
  await pc.setLocalDescription(await pc.createOffer());
  const posted = await fetch('/whip', {
    method: 'POST', body: pc.localDescription.sdp,
    headers: { 'content-type': 'application/sdp', authorization: 'Bearer KEY' },
  });
  const answer = await posted.text();
  if (posted.status !== 201) return `${posted.status} ${answer}`;
  await pc.setRemoteDescription({ type: 'answer', sdp: answer });
  window.whip = { pc };
  window.whip.layers = async () => {
    const found = {};
    (await pc.getStats()).forEach((report) => {
      if (report.type === 'outbound-rtp' && report.kind === 'video') {
        const { framesSent, frameWidth, bytesSent, qualityLimitationReason } = report;
        found[report.rid ?? ''] = { framesSent, frameWidth, bytesSent, qualityLimitationReason };
      }
    });
    return found;
  };
  return 'well';
})()";

/// JavaScript: draws the clock as [`crate::clock`] has it.
const DRAW_CLOCK: &str = r"(context, count) => {
  context.fillStyle = '#606060';
  context.fillRect(0, 0, 640, 360);
  context.fillStyle = '#ffffff';
  context.fillRect((count * 4) % 616, 312, 24, 24);
  const now = Date.now();
  for (let bit = 0; bit < 48; bit++) {
    context.fillStyle = Math.floor(now / 2 ** (47 - bit)) % 2 ? '#ffffff' : '#000000';
    context.fillRect(32 + (bit % 24) * 24, 40 + Math.floor(bit / 24) * 24, 24, 24);
  }
}";

/// JavaScript: draws coarse noise that changes somewhere each time, so that an encoder uses the bits it may.
const DRAW_NOISE: &str = r"(context) => {
  for (let at = 0; at < 24; at++) {
    context.fillStyle = `hsl(${Math.random() * 360} 60% 50%)`;
    context.fillRect(Math.random() * 960, Math.random() * 540, 32, 32);
  }
}";

/// What a canvas shows.
#[derive(Debug, Clone, Copy)]
pub enum Picture {
    /// The time, for [`READ_CLOCK`](crate::clock::READ_CLOCK), in 640x360.
    Clock,
    /// What costs an encoder many bits, in 960x540: browsers make no more than two layers of less.
    Noise,
}

/// Has the browser, on any page of the server, watch a channel.
///
/// # Panics
/// When the server refuses.
pub async fn watch(browser: &mut Browser, channel: &str) {
    assert_eq!(browser.eval(&WATCH.replace("CHANNEL", channel)).await, "well");
}

/// Has the browser, on any page of the server, publish a canvas at 30 pictures a second; `encodings` is a JavaScript
/// array of `RTCRtpEncodingParameters`.
///
/// # Panics
/// When the server refuses.
pub async fn publish(browser: &mut Browser, key: &str, picture: Picture, encodings: &str) {
    let (draw, size) = match picture {
        Picture::Clock => (DRAW_CLOCK, "{ width: 640, height: 360 }"),
        Picture::Noise => (DRAW_NOISE, "{ width: 960, height: 540 }"),
    };
    let code = PUBLISH.replace("KEY", key).replace("SIZE", size).replace("DRAW", draw).replace("ENCODINGS", encodings);
    assert_eq!(browser.eval(&code).await, "well");
}

/// What a browser that watches has received of its pictures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pictures {
    /// Pictures decoded.
    pub decoded: u64,
    /// Times that the picture stood still, by the browser's own rule.
    pub freezes: u64,
    /// Packets that never came in their first sending, and not by retransmission so far.
    pub lost: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Packets that came by retransmission.
    pub repaired: u64,
    /// Keyframes asked for.
    pub plis: u64,
    /// Width, in pixels.
    pub width: u64,
}

impl Pictures {
    /// Of what a browser that watches has now.
    pub async fn of(browser: &mut Browser) -> Self {
        Self::read(&browser.eval("window.whep.stats('video')").await)
    }

    fn read(stats: &Value) -> Self {
        let figure = |name: &str| stats[name].as_u64().unwrap_or(0);
        Self {
            decoded: figure("framesDecoded"),
            freezes: figure("freezeCount"),
            lost: figure("packetsLost"),
            nacks: figure("nackCount"),
            repaired: figure("retransmittedPacketsReceived"),
            plis: figure("pliCount"),
            width: figure("frameWidth"),
        }
    }

    /// What a browser has once it has decoded so many more than this; of these, `when` must be true of its `stats`.
    pub async fn more(&self, browser: &mut Browser, pictures: u64, when: &str) -> Self {
        let enough = self.decoded + pictures;
        let code =
            format!("window.whep.stats('video').then((stats) => stats.framesDecoded >= {enough} && ({when}) && stats)");
        Self::read(&browser.wait(&code).await)
    }

    /// What was added since `before`; the width is today's.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            decoded: self.decoded - before.decoded,
            freezes: self.freezes - before.freezes,
            lost: self.lost.saturating_sub(before.lost),
            nacks: self.nacks - before.nacks,
            repaired: self.repaired - before.repaired,
            plis: self.plis - before.plis,
            width: self.width,
        }
    }
}
