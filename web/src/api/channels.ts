import { get } from "./request";

/** What everyone may know of a channel. */
export interface Channel {
  name: string;
  title: string;
  live: boolean;
  /** RFC 3339; null while nothing is published. */
  started_at: string | null;
  viewers: number;
  /** Addresses below this server; null for what it does not serve. */
  playback: { hls: string | null; dash: string | null; whep: string | null };
}

/** A page of a list; `next` asks for the page after it. */
interface Page<T> {
  items: T[];
  next: string | null;
}

/** Who is live now: the first page, which is as much as the home page shows. */
export async function liveChannels(signal?: AbortSignal): Promise<Channel[]> {
  return (await get<Page<Channel>>("/api/v1/channels?live=true", signal)).items;
}

/** One channel; a `Problem` with status 404 when there is none of that name. */
export function channel(name: string, signal?: AbortSignal): Promise<Channel> {
  return get<Channel>(`/api/v1/channels/${encodeURIComponent(name)}`, signal);
}
