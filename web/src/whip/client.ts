import { Problem } from "../api/request";
import { Report } from "../webrtc/report";
import { withParameters } from "../webrtc/sdp";
import { Session } from "../webrtc/session";
import { encodingsOf, h264First, type Quality } from "./encodings";
import { figures, sample, type Figures, type Sample } from "./figures";

/** Where publishers go; the stream key says which channel it is. */
const ENDPOINT = "/whip";
/** Between two tries to get back, in milliseconds: the first, and the longest. */
const RETRY_MS = 500;
const RETRY_LONGEST_MS = 5_000;
/** Share by which tries are spread, so that all publishers of a server that restarts do not come at once. */
const SPREAD = 0.3;
/** A publisher that cannot get back for so long has ended, in milliseconds. */
const GIVE_UP_MS = 120_000;
/** Refusals that another try does not change: the key, a second publisher, the codec, the request itself. */
const FINAL = [400, 401, 403, 405, 406, 409, 413, 415, 422, 501];
/** Good for music and small beside the picture. Without `stereo` browsers send one channel. */
const SOUND = { stereo: 1, "sprop-stereo": 1, maxaveragebitrate: 128_000 };
/** Codecs that Chromium begins with as many bits as the answer says, in kbit/s: else it begins with 300 and takes ten seconds to the full picture. */
const PICTURES = ["h264", "vp8", "vp9", "av1", "h265"];
/** Share of the wanted bitrate to begin with: most lines carry it, and those that do not say so at once. */
const START_SHARE = 0.7;

export type PublisherState = "connecting" | "live" | "reconnecting" | "ended";

export interface PublisherOptions {
  /** The stream key. */
  key: string;
  quality: Quality;
  /** Told of every change; with why, when it ended by itself. */
  onState: (state: PublisherState, why: Problem | null) => void;
}

/** What is sent. A kind that is absent at the start stays absent: WHIP does not negotiate again. */
export interface Tracks {
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
}

/** Publishes to a channel over WHIP, and gets back by itself when the line is lost. Used once. */
export class Publisher {
  private state: PublisherState = "connecting";
  private peer: RTCPeerConnection | null = null;
  private session: Session | null = null;
  private senders: Partial<Record<keyof Tracks, RTCRtpSender>> = {};
  private tracks: Tracks = { video: null, audio: null };
  private quality: Quality;
  private failures = 0;
  private lostAt: number | null = null;
  private retrying: ReturnType<typeof setTimeout> | undefined;
  private before: Sample | null = null;

  constructor(private readonly options: PublisherOptions) {
    this.quality = options.quality;
  }

  /** Begins to publish. */
  start(tracks: Tracks): void {
    this.tracks = { ...tracks };
    this.options.onState("connecting", null);
    void this.connect();
  }

  /** Sends another track instead, without a new session: another camera, the screen. Null sends nothing for now. */
  async replace(kind: keyof Tracks, track: MediaStreamTrack | null): Promise<void> {
    this.tracks[kind] = track;
    await this.senders[kind]?.replaceTrack(track);
  }

  /** Changes bitrate and frame rate while it runs. Whether there are layers was agreed on at the start. */
  async change(quality: Quality): Promise<void> {
    this.quality = { ...quality, simulcast: this.quality.simulcast };
    const sender = this.senders.video;
    if (!sender) return;
    const parameters = sender.getParameters();
    const wanted = encodingsOf(this.quality);
    parameters.encodings.forEach((encoding, index) => Object.assign(encoding, wanted[index]));
    await sender.setParameters(parameters);
  }

  /** How it fares since the last question; null while nothing is sent. */
  async figures(): Promise<Figures | null> {
    const { peer, before } = this;
    if (!peer || this.state !== "live") return null;
    const now = sample(new Report(await peer.getStats()), performance.now());
    this.before = now;
    return before ? figures(before, now) : null;
  }

  /** Ends it. Nothing is told afterwards. The tracks go on: they are their owner's. */
  stop(): void {
    this.state = "ended";
    this.leave();
  }

  private async connect(): Promise<void> {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.peer = peer;
    this.before = null;
    this.add(peer);
    let opened: Session | null = null;
    try {
      opened = await Session.open(peer, ENDPOINT, {
        token: this.options.key,
        prepare: (offer) => withParameters(offer, ["opus"], SOUND),
        prepareAnswer: (answer) =>
          withParameters(answer, PICTURES, {
            "x-google-start-bitrate": Math.round((this.quality.bitrate * START_SHARE) / 1_000),
          }),
        onLine: (line) => {
          if (this.peer !== peer) return;
          if (line === "connected") this.become("live");
          else if (line === "interrupted") this.become("reconnecting");
          else if (line === "closed") this.lost(null);
        },
      });
    } catch (error) {
      if (this.peer === peer) this.lost(error instanceof Problem ? error : null);
      return;
    }
    if (this.peer === peer) this.session = opened;
    else opened.close();
  }

  private add(peer: RTCPeerConnection): void {
    const { video, audio } = this.tracks;
    const stream = new MediaStream();
    this.senders = {};
    if (video) {
      const transceiver = peer.addTransceiver(video, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings: encodingsOf(this.quality),
      });
      const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
      if (codecs.length > 0) transceiver.setCodecPreferences(h264First(codecs));
      this.senders.video = transceiver.sender;
    }
    if (audio) {
      const init: RTCRtpTransceiverInit = { direction: "sendonly", streams: [stream] };
      this.senders.audio = peer.addTransceiver(audio, init).sender;
    }
  }

  private lost(why: Problem | null): void {
    this.leave();
    this.lostAt ??= performance.now();
    const final = why !== null && FINAL.includes(why.status);
    if (final || performance.now() - this.lostAt > GIVE_UP_MS) return this.become("ended", why);
    if (this.state === "live") this.become("reconnecting");
    const soon = Math.min(RETRY_LONGEST_MS, RETRY_MS * 2 ** this.failures++);
    const after = Math.max(soon, why?.retryAfter ?? 0) * (1 + Math.random() * SPREAD);
    this.retrying = setTimeout(() => void this.connect(), after);
  }

  private become(state: PublisherState, why: Problem | null = null): void {
    if (state === "live") {
      this.failures = 0;
      this.lostAt = null;
    }
    if (state === this.state) return;
    this.state = state;
    this.options.onState(state, why);
  }

  private leave(): void {
    clearTimeout(this.retrying);
    const { session, peer } = this;
    this.session = null;
    this.peer = null;
    this.senders = {};
    if (session) session.close();
    else peer?.close();
  }
}
