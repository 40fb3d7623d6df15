import type { Caller } from "./caller";
import { get, type Answer } from "./request";

/** What everyone may know of a channel. */
export interface Channel {
  name: string;
  title: string;
  live: boolean;
  /** RFC 3339; null while nothing is published. */
  started_at: string | null;
  viewers: number;
  /** Accounts that follow it. */
  followers?: number;
  /** Addresses below this server; null for what it does not serve. */
  playback: { hls: string | null; dash: string | null; whep: string | null };
}

/** A page of a list; `next` asks for the page after it. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** What follows a path; what is undefined is left out. */
export function query(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** Where something of a channel is; `what` is a path that is ready to be sent. */
export const channelPath = (
  channel: string,
  what: string,
  values: Record<string, string | number | undefined> = {},
): string => `/api/v1/channels/${encodeURIComponent(channel)}/${what}${query(values)}`;

/** Who is live now: the first page, which is as much as the home page shows. */
export async function liveChannels(signal?: AbortSignal): Promise<Channel[]> {
  return (await get<Page<Channel>>("/api/v1/channels?live=true", signal)).items;
}

/** One channel; a `Problem` with status 404 when there is none of that name. */
export function channel(name: string, signal?: AbortSignal): Promise<Channel> {
  return get<Channel>(`/api/v1/channels/${encodeURIComponent(name)}`, signal);
}

export const VISIBILITIES = ["public", "unlisted", "private", "members"] as const;
export const LATENCIES = ["realtime", "low", "normal"] as const;
export const CONFLICTS = ["take_over", "refuse"] as const;

/** What its owner sets. */
export interface ChannelSettings {
  title: string;
  description: string;
  tags: string[];
  category: string;
  /** BCP 47, or empty. */
  language: string;
  visibility: (typeof VISIBILITIES)[number];
  latency: (typeof LATENCIES)[number];
  /** What a second publisher gets. */
  conflict: (typeof CONFLICTS)[number];
  /** Whether what is streamed is kept. */
  record: boolean;
}

/** One's own channel, and the version of its settings. */
export function ownChannel(by: Caller, name: string): Promise<Answer<ChannelSettings>> {
  return by.call(`/api/v1/channels/${encodeURIComponent(name)}`);
}

/** Changes a channel unless somebody changed it since `version`, which is a `Problem` of status 412 or 409. */
export function changeChannel(
  by: Caller,
  name: string,
  change: Partial<ChannelSettings>,
  version: string | null,
): Promise<Answer<ChannelSettings>> {
  return by.call(`/api/v1/channels/${encodeURIComponent(name)}`, {
    method: "PATCH",
    body: change,
    headers: version === null ? {} : { "If-Match": version },
  });
}
