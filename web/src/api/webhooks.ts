import type { Caller } from "./caller";

export const HOOK_EVENTS = ["stream.started", "stream.ended", "vod.ready", "ban"] as const;
export type HookEvent = (typeof HOOK_EVENTS)[number];

/** A program that is told what happens in a channel. */
export interface Hook {
  id: string;
  url: string;
  events: HookEvent[];
  /** RFC 3339. */
  created_at: string;
  /** How the last message went; null before the first. */
  last: { at: string; ok: boolean; note: string } | null;
}

/** A hook that was just made, with what its messages are signed with. */
export interface MadeHook {
  id: string;
  url: string;
  events: HookEvent[];
  secret: string;
}

const path = (channel: string): string =>
  `/api/v1/channels/${encodeURIComponent(channel)}/webhooks`;

export async function hooks(by: Caller, channel: string): Promise<Hook[]> {
  return (await by.call<{ items: Hook[] }>(path(channel))).value.items;
}

export async function addHook(
  by: Caller,
  channel: string,
  url: string,
  events: HookEvent[],
): Promise<MadeHook> {
  const asked = { method: "POST", body: { url, events } } as const;
  return (await by.call<MadeHook>(path(channel), asked)).value;
}

/** Removes a hook; what waits for it is dropped. */
export async function removeHook(by: Caller, channel: string, id: string): Promise<void> {
  await by.call(`${path(channel)}/${encodeURIComponent(id)}`, { method: "DELETE" });
}
