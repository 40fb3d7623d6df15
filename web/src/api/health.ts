import type { Caller } from "./caller";

/** One thing that is worth telling the streamer. */
export interface HealthMessage {
  /** What it is about; stable. */
  subject: string;
  /** A sentence, in English. */
  text: string;
}

/** How a publish is. Figures are null while there is none. */
export interface Health {
  live: boolean;
  protocol: "rtmp" | "rtmps" | "whip" | null;
  /** Bits a second. */
  bitrate: number | null;
  /** Frames a second. */
  frame_rate: number | null;
  /** Seconds: the longest of the last ones. */
  keyframe_interval: number | null;
  b_frames: boolean | null;
  dropped_frames: number | null;
  /** How often the encoder's clock jumped. */
  clock_jumps: number | null;
  /** How often the server was too slow. */
  skips: number | null;
  /** As RFC 6381 writes them. */
  codecs: string[];
  messages: HealthMessage[];
}

/** How the running publish of a channel is. */
export async function health(by: Caller, name: string, signal: AbortSignal): Promise<Health> {
  const path = `/api/v1/channels/${encodeURIComponent(name)}/health`;
  return (await by.call<Health>(path, { signal })).value;
}

/** Ends the running publish of a channel. */
export async function endPublish(by: Caller, name: string): Promise<void> {
  await by.call(`/api/v1/channels/${encodeURIComponent(name)}/session`, { method: "DELETE" });
}
