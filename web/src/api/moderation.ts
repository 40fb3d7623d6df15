import type { Message, Person } from "../chat/wire";
import type { Caller } from "./caller";
import { channelPath, type Page } from "./channels";
import type { Answer } from "./request";

/** A message that waits until a moderator lets it be said. */
export interface Held {
  id: string;
  user: Person;
  text: string;
  /** RFC 3339. */
  at: string;
}

/** A message that people reported. */
export interface Report {
  message: Message;
  /** How many did. */
  count: number;
  /** What some of them wrote. */
  reasons: string[];
}

export const WORD_ACTIONS = ["mask", "hold", "block"] as const;

/** A word that is not said in a channel, however it is spelled. */
export interface Word {
  word: string;
  action: (typeof WORD_ACTIONS)[number];
}

const part = encodeURIComponent;

export async function held(by: Caller, channel: string, cursor?: string): Promise<Page<Held>> {
  return (await by.call<Page<Held>>(channelPath(channel, "held", { cursor }))).value;
}

/** Lets a message be said now, in its author's name. */
export async function allowHeld(by: Caller, channel: string, id: string): Promise<void> {
  await by.call(channelPath(channel, `held/${part(id)}/allow`), { method: "POST" });
}

/** A message that is never said. */
export async function refuseHeld(by: Caller, channel: string, id: string): Promise<void> {
  await by.call(channelPath(channel, `held/${part(id)}`), { method: "DELETE" });
}

/** Tells the moderators of a message. */
export async function report(
  by: Caller,
  channel: string,
  message: string,
  reason: string,
): Promise<void> {
  const body = { message, reason };
  await by.call(channelPath(channel, "reports"), { method: "POST", body });
}

export async function reports(by: Caller, channel: string, cursor?: string): Promise<Page<Report>> {
  return (await by.call<Page<Report>>(channelPath(channel, "reports", { cursor }))).value;
}

/** Nothing is left to be done about a message that was reported. */
export async function settleReport(by: Caller, channel: string, message: string): Promise<void> {
  await by.call(channelPath(channel, `reports/${part(message)}`), { method: "DELETE" });
}

/** A channel's own words, and the version of the list. */
export function words(by: Caller, channel: string): Promise<Answer<{ words: Word[] }>> {
  return by.call(channelPath(channel, "words"));
}

/** Replaces the list unless somebody changed it since `version`. */
export function setWords(
  by: Caller,
  channel: string,
  list: Word[],
  version: string | null,
): Promise<Answer<{ words: Word[] }>> {
  return by.call(channelPath(channel, "words"), {
    method: "PUT",
    body: { words: list },
    headers: version === null ? {} : { "If-Match": version },
  });
}
