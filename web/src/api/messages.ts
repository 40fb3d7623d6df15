import type { Message } from "../chat/wire";
import type { Caller } from "./caller";
import { channelPath, query, type Page } from "./channels";

/** Which messages of a room are wanted. */
export interface Wanted {
  limit?: number;
  /** The `next` of the page before. */
  cursor?: string;
  /** Words that must all be there. */
  q?: string;
  /** A user name. */
  user?: string;
  /** RFC 3339: begins with what was said before. */
  before?: string;
  /** Also comments that only flew over the picture. */
  comments?: boolean;
}

/**
 * A page of what was said, newest first. One of a search may be empty and have a `next` all the same: there is more to look
 * through.
 */
export async function messages(
  by: Caller,
  channel: string,
  wanted: Wanted,
  signal?: AbortSignal,
): Promise<Page<Message>> {
  const path = channelPath(channel, "messages") + query({ ...wanted });
  return (await by.call<Page<Message>>(path, signal ? { signal } : {})).value;
}
