import Hls, {
  ErrorDetails,
  ErrorTypes,
  Events,
  type ErrorData,
  type LoaderStats,
  type NullableNetworkDetails,
} from "hls.js";

import type { Engine, EngineEvent, Progress } from "../engine";
import { config } from "./config";
import { markPassedParts } from "./passed-parts";

/** A stream grows every part; four parts and a second of network late is no longer usual. */
const LATE_PARTS = 4;
const LATE_MS = 1_000;
/** Without parts it grows every segment. */
const LATE_SEGMENTS = 2.5;

const CODEC_ERRORS: readonly string[] = [
  ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_ADD_CODEC_ERROR,
];

/** Low-latency HLS over Media Source Extensions. */
export class HlsEngine implements Engine {
  static supported(): boolean {
    return Hls.isSupported();
  }

  private readonly hls = new Hls(config);
  private grewAt = performance.now();
  private recovered = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly channel: string,
    private readonly report: (event: EngineEvent) => void,
  ) {
    const { hls } = this;
    hls.on(Events.MANIFEST_PARSED, (_, { levels }) => {
      this.report({ type: "found", session: levels[0]?.url[0] ?? "" });
      this.reportQualities();
    });
    hls.on(Events.LEVEL_SWITCHED, () => this.reportQualities());
    hls.on(Events.AUDIO_TRACK_UPDATED, (_, { details }) => markPassedParts(details.partList ?? []));
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      markPassedParts(details.partList ?? []);
      if (details.advanced) this.grewAt = performance.now();
      if (!details.live) this.report({ type: "complete" });
    });
    hls.on(Events.LEVEL_LOADED, (_, { stats, networkDetails }) =>
      this.readClock(stats, networkDetails),
    );
    hls.on(Events.FRAG_LOADED, (_, { frag, part, networkDetails }) =>
      this.readClock((part ?? frag).stats, networkDetails),
    );
    hls.on(Events.ERROR, (_, error) => this.failed(error));
  }

  start(): void {
    this.hls.loadSource(`/live/${encodeURIComponent(this.channel)}/index.m3u8`);
    this.hls.attachMedia(this.video);
  }

  destroy(): void {
    this.hls.destroy();
  }

  toLive(): void {
    const position = this.hls.liveSyncPosition;
    if (position !== null) this.video.currentTime = position;
  }

  choose(quality: string | null): void {
    this.hls.nextLevel = quality === null ? -1 : Number(quality);
    this.reportQualities();
  }

  progress(): Progress | null {
    const { hls, video } = this;
    const details = hls.latestLevelDetails;
    if (!details || !hls.targetLatency || video.readyState < video.HAVE_CURRENT_DATA) return null;
    return {
      receivedAt: hls.playingDate?.getTime() ?? null,
      behind: hls.latency,
      target: hls.targetLatency,
      ahead: ahead(video),
      quiet: performance.now() - this.grewAt,
      growsWithin: details.partTarget
        ? details.partTarget * 1_000 * LATE_PARTS + LATE_MS
        : details.targetduration * 1_000 * LATE_SEGMENTS,
    };
  }

  private reportQualities(): void {
    const { hls } = this;
    const id = (level: number): string | null => (level >= 0 ? String(level) : null);
    this.report({
      type: "qualities",
      qualities: hls.levels.map((level, index) => ({
        id: String(index),
        lines: Math.min(level.width, level.height),
        frameRate: Math.round(level.frameRate),
        bitrate: level.averageBitrate || level.bitrate,
      })),
      chosen: id(hls.manualLevel),
      playing: id(hls.currentLevel >= 0 ? hls.currentLevel : hls.firstLevel),
    });
  }

  private readClock(stats: LoaderStats, network: NullableNetworkDetails): void {
    if (!(network instanceof XMLHttpRequest)) return;
    // A cache's answer carries the date of when it was fetched from the server.
    if (Number(header(network, "Age") ?? 0) > 0) return;
    const date = Date.parse(header(network, "Date") ?? "");
    const { start, first } = stats.loading;
    if (Number.isNaN(date) || first <= 0) return;
    const origin = performance.timeOrigin;
    this.report({
      type: "clock",
      reading: { asked: origin + start, answered: origin + first, date },
    });
  }

  private failed(error: ErrorData): void {
    if (!error.fatal) {
      if (error.type === ErrorTypes.NETWORK_ERROR) this.report({ type: "unanswered" });
    } else if (CODEC_ERRORS.includes(error.details)) {
      this.report({ type: "unsupported" });
    } else if (error.type === ErrorTypes.MEDIA_ERROR && !this.recovered) {
      this.recovered = true;
      this.hls.recoverMediaError();
    } else {
      const missing =
        error.details === ErrorDetails.MANIFEST_LOAD_ERROR && error.response?.code === 404;
      this.report({ type: missing ? "missing" : "broken" });
    }
  }
}

/** Asks for a header only if it is there: browsers complain in the console about others. */
function header(request: XMLHttpRequest, name: string): string | null {
  const there = request.getAllResponseHeaders().toLowerCase().includes(`${name.toLowerCase()}:`);
  return there ? request.getResponseHeader(name) : null;
}

/** Seconds loaded without a hole from what is on screen. */
function ahead({ buffered, currentTime }: HTMLVideoElement): number {
  for (let index = 0; index < buffered.length; index++) {
    const end = buffered.end(index);
    if (buffered.start(index) <= currentTime + 0.1 && end > currentTime) return end - currentTime;
  }
  return 0;
}
