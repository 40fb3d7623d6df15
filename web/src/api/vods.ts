import type { Caller } from "./caller";
import { channelPath, type Page } from "./channels";

/** A recording. */
export interface Vod {
  id: string;
  /** The channel's name. */
  channel: string;
  title: string;
  state: "recording" | "ready" | "failed";
  visibility: "public" | "unlisted" | "private" | "members";
  /** RFC 3339. */
  started_at: string;
  duration_ms: number;
  /** Addresses below this server. */
  playback: { hls: string | null };
}

export async function vod(by: Caller, id: string): Promise<Vod> {
  return (await by.call<Vod>(`/api/v1/vods/${encodeURIComponent(id)}`)).value;
}

/** A channel's recordings, the newest first. */
export async function vods(by: Caller, channel: string, cursor?: string): Promise<Page<Vod>> {
  return (await by.call<Page<Vod>>(channelPath(channel, "vods", { cursor }))).value;
}

export async function changeVod(
  by: Caller,
  id: string,
  change: Partial<Pick<Vod, "title" | "visibility">>,
): Promise<void> {
  await by.call(`/api/v1/vods/${encodeURIComponent(id)}`, { method: "PATCH", body: change });
}

export async function removeVod(by: Caller, id: string): Promise<void> {
  await by.call(`/api/v1/vods/${encodeURIComponent(id)}`, { method: "DELETE" });
}
