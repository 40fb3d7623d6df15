import { Problem } from "../../api/request";
import type { Line } from "../../webrtc/line";
import { Report } from "../../webrtc/report";
import { withParameters } from "../../webrtc/sdp";
import { Session } from "../../webrtc/session";
import type { Engine, EngineEvent, Progress } from "../engine";
import { Health, SILENT_MS, type Verdict } from "./health";
import { delay, read, type Reading } from "./reading";

/** Between two looks at the session's figures, in milliseconds. */
const LOOK_EVERY_MS = 500;
/** The one quality there is: the server chooses among its layers by what the line carries. */
const QUALITY = "auto";
/** Frames a second above which a stream is a fast one; the figure itself changes every second. */
const FAST = 45;
/** Share of the newest picture in the smoothed time to the screen. */
const SMOOTH = 0.1;
/** What a server answers that has no such stream, that has no WHEP or no codec that this browser knows, and one that is full. */
const MISSING = 404;
const UNSUPPORTED = [400, 405, 406, 415, 422, 501];

/** Receivers of browsers that can be asked to hold little. */
interface Receiver extends RTCRtpReceiver {
  /** Milliseconds. */
  jitterBufferTarget: number | null;
  /** Seconds; what Chromium had before. */
  playoutDelayHint?: number | null;
}

/** WebRTC over WHEP: pictures as they come, some ten milliseconds after the server had them. */
export class WhepEngine implements Engine {
  static supported(): boolean {
    return typeof RTCPeerConnection === "function";
  }

  readonly watches = true;

  private readonly peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  private readonly health = new Health();
  private readonly stream = new MediaStream();
  private session: Session | null = null;
  private reading: Reading | null = null;
  private verdict: Verdict | null = null;
  private delay: number | null = null;
  /** Seconds from a picture's last packet to its place on the screen, smoothed; null where browsers do not tell. */
  private onScreen: number | null = null;
  /** ICE was started anew because nothing was heard, and nothing was heard since. */
  private repaired = false;
  private looking: ReturnType<typeof setInterval> | undefined;
  private stopped = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly channel: string,
    private readonly report: (event: EngineEvent) => void,
  ) {}

  start(): void {
    const { peer } = this;
    peer.addTransceiver("video", { direction: "recvonly" });
    peer.addTransceiver("audio", { direction: "recvonly" });
    this.timeFrames();
    peer.addEventListener("track", ({ track, receiver }) => this.play(track, receiver as Receiver));
    void this.connect();
  }

  destroy(): void {
    this.stopped = true;
    clearInterval(this.looking);
    if (this.session) this.session.close();
    else this.peer.close();
    if (this.video.srcObject === this.stream) this.video.srcObject = null;
  }

  /** There is nothing but the live edge. */
  toLive(): void {}

  choose(): void {}

  progress(): Progress | null {
    const { verdict, reading } = this;
    if (!verdict || !reading || reading.emitted === 0) return null;
    return {
      receivedAt: null,
      delay: this.delay,
      behind: 0,
      target: 0,
      ahead: 0,
      // Over a broken line nothing is known of the publisher.
      quiet: verdict.dead || this.repaired ? 0 : verdict.silent,
      growsWithin: SILENT_MS,
    };
  }

  private async connect(): Promise<void> {
    try {
      const session = await Session.open(this.peer, `/whep/${encodeURIComponent(this.channel)}`, {
        // Without it browsers play one channel.
        prepare: (offer) => withParameters(offer, ["opus"], { stereo: 1 }),
        onLine: (line) => this.changed(line),
      });
      if (this.stopped) return session.close();
      this.session = session;
    } catch (error) {
      if (!this.stopped) this.report(failure(error));
      return;
    }
    this.report({ type: "found", session: this.session.url });
    this.looking = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  private play(track: MediaStreamTrack, receiver: Receiver): void {
    receiver.jitterBufferTarget = 0;
    if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    this.stream.addTrack(track);
    if (this.video.srcObject !== this.stream) this.video.srcObject = this.stream;
  }

  private timeFrames(): void {
    this.video.requestVideoFrameCallback?.((_, { receiveTime, expectedDisplayTime }) => {
      if (this.stopped) return;
      if (receiveTime !== undefined && this.video.srcObject === this.stream) {
        const seconds = Math.max(0, expectedDisplayTime - receiveTime) / 1_000;
        this.onScreen = (this.onScreen ?? seconds) * (1 - SMOOTH) + seconds * SMOOTH;
      }
      // The next look would tell as well, up to half a second later.
      if (this.verdict?.still) this.report({ type: "moved" });
      this.timeFrames();
    });
  }

  private changed(line: Line): void {
    if (this.stopped) return;
    this.health.forgive(performance.now());
    if (line === "interrupted") this.report({ type: "stalled" });
    if (line !== "closed") return;
    this.stopped = true;
    clearInterval(this.looking);
    this.session?.close();
    // Whatever ended it: nothing of it was seen, or it was seen to its end.
    this.report({ type: this.reading?.emitted ? "closed" : "broken" });
  }

  private async look(): Promise<void> {
    const reading = read(new Report(await this.peer.getStats()));
    if (this.stopped) return;
    const before = this.reading;
    this.reading = reading;
    if (before) this.delay = delay(before, reading, this.onScreen) ?? this.delay;
    if (reading.frames && (reading.lines !== before?.lines || fast(reading) !== fast(before))) {
      this.reportQuality(reading);
    }
    // Until something came there is nothing that could stand still; `Session` gives up in time.
    if (reading.packets === 0) return;
    this.verdict = this.health.judge(reading, performance.now());
    if (this.verdict.silent === 0) this.repaired = false;
    const pictures = this.stream.getVideoTracks().length > 0;
    if (!this.verdict.still && (reading.frames ?? 0) === 0 && pictures) return;
    if (!this.verdict.still) this.report({ type: "moved" });
    else if (!document.hidden) this.report({ type: "stalled" });
    if (this.verdict.dead) this.revive();
  }

  /** Nothing is heard although the line stands: ICE is started anew, once. */
  private revive(): void {
    if (this.repaired) return this.changed("closed");
    this.repaired = true;
    this.health.forgive(performance.now());
    this.session?.repair();
  }

  private reportQuality(reading: Reading): void {
    const frameRate = fast(reading) ? 60 : 30;
    const quality = { id: QUALITY, lines: reading.lines, frameRate, bitrate: 0 };
    this.report({ type: "qualities", qualities: [quality], chosen: null, playing: QUALITY });
  }
}

const fast = (reading: Reading | null): boolean => (reading?.frameRate ?? 0) > FAST;

function failure(error: unknown): EngineEvent {
  const { status, retryAfter } = error instanceof Problem ? error : new Problem(0, null, "");
  if (status === MISSING) return { type: "missing" };
  if (UNSUPPORTED.includes(status)) return { type: "unsupported" };
  return retryAfter === null ? { type: "broken" } : { type: "broken", after: retryAfter };
}
