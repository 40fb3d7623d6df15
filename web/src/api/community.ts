import type { Caller } from "./caller";
import { channelPath } from "./channels";

/** Whether one follows a channel. */
export interface Following {
  following: boolean;
  /** RFC 3339. */
  since: string | null;
}

/** A picture that stands for `:CODE:`. */
export interface Emote {
  code: string;
  /** Below this server; what is there never changes. */
  url: string;
  /** In pixels. */
  width: number;
  height: number;
  animated: boolean;
  /** Of this channel, or of all. */
  scope: "channel" | "global";
}

export async function following(by: Caller, channel: string): Promise<Following> {
  return (await by.call<Following>(channelPath(channel, "follow"))).value;
}

export async function follow(by: Caller, channel: string, follows: boolean): Promise<void> {
  await by.call(channelPath(channel, "follow"), { method: follows ? "PUT" : "DELETE" });
}

/** What can be written in a channel, its own emotes and those of all channels. */
export async function emotes(by: Caller, channel: string): Promise<Emote[]> {
  return (await by.call<{ items: Emote[] }>(channelPath(channel, "emotes"))).value.items;
}

/** Adds an emote to one's own channel. The server makes its own picture of the file. */
export async function addEmote(
  by: Caller,
  channel: string,
  code: string,
  file: Blob,
): Promise<void> {
  await by.call(channelPath(channel, "emotes", { code }), { method: "POST", body: file });
}

export async function removeEmote(by: Caller, channel: string, code: string): Promise<void> {
  const what = `emotes/${encodeURIComponent(code)}`;
  await by.call(channelPath(channel, what), { method: "DELETE" });
}
