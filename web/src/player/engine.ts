/**
 * What brings a channel's pictures into a video element. `LivePlayer` decides when an engine is made
 * and thrown away; an engine knows one protocol and nothing of pages, polling or words.
 */
export interface Engine {
  /** It reports itself whether pictures move: its video element's time goes on without them. */
  readonly watches?: boolean;
  /** Begins to load and to play. Called once. */
  start(): void;
  /** Frees everything, also the video element. Nothing is reported afterwards. */
  destroy(): void;
  /** Goes to where a new viewer would begin. */
  toLive(): void;
  /** How far behind playback is, or null while that is unknown. */
  progress(): Progress | null;
  /** Fixes one of the reported qualities, or leaves the choice to the engine (null). */
  choose(quality: string | null): void;
}

export interface Progress {
  /** The server's wall clock when it received what is on screen now, in milliseconds since 1970; null if the stream does not say. */
  receivedAt: number | null;
  /** Seconds from the server to the screen, where the engine measures it by itself. */
  delay?: number | null;
  /** Seconds between the newest media there is and what is on screen. */
  behind: number;
  /** Seconds that `behind` should be, as the server asks. */
  target: number;
  /** Seconds of media loaded past what is on screen. */
  ahead: number;
  /** Milliseconds since the stream last grew. */
  quiet: number;
  /** Milliseconds within which it should grow, with room for a slow network. */
  growsWithin: number;
}

export interface Quality {
  id: string;
  /** Shorter side in pixels, or 0 for sound alone. */
  lines: number;
  frameRate: number;
  /** Bits per second. */
  bitrate: number;
}

/** One reading of the server's `Date` header. All in milliseconds since 1970; the first two by our own clock. */
export interface ClockReading {
  asked: number;
  answered: number;
  date: number;
}

export type EngineEvent =
  /** The stream exists. `session` differs for each publish. */
  | { type: "found"; session: string }
  /** There is no such stream now. */
  | { type: "missing" }
  /** The server or the network does not answer just now; the engine keeps asking. */
  | { type: "unanswered" }
  /** Nothing will follow what is loaded. */
  | { type: "complete" }
  /** The engine cannot go on; a new one may, and not before `after` milliseconds if the server said so. */
  | { type: "broken"; after?: number }
  /** The far end ended it: the stream is over, or goes on elsewhere. */
  | { type: "closed" }
  /** Pictures move, or stand still; of engines that watch that themselves. */
  | { type: "moved" }
  | { type: "stalled" }
  /** This browser cannot decode the stream. */
  | { type: "unsupported" }
  | { type: "qualities"; qualities: Quality[]; chosen: string | null; playing: string | null }
  | { type: "clock"; reading: ClockReading };

/** Makes an engine for one channel. */
export type EngineFactory = (
  video: HTMLVideoElement,
  channel: string,
  report: (event: EngineEvent) => void,
) => Engine;
