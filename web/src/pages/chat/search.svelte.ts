import type { Caller } from "../../api/caller";
import { messages } from "../../api/messages";
import type { Message } from "../../chat/wire";

/** Messages that are asked for at once. */
const PAGE = 30;
/** Pages that are looked through before the reader is asked whether to go on. */
const PAGES_MAX = 20;

export interface Query {
  /** Words that must all be there; empty: any. */
  q: string;
  /** A user name; empty: anybody's. */
  user: string;
}

/** What somebody typed: words, and `from:NAME`. Null when that asks for nothing. */
export function readQuery(text: string): Query | null {
  const words = text.trim().split(/\s+/u);
  const from = /^from:@?([a-z0-9_]+)$/i;
  const user = words.flatMap((word) => from.exec(word)?.[1] ?? []).at(-1) ?? "";
  const q = words.filter((word) => !from.test(word)).join(" ");
  return q === "" && user === "" ? null : { q, user: user.toLowerCase() };
}

/** Looks for messages of a room, the newest first. */
export class Search {
  state = $state<"idle" | "busy" | "done">("idle");
  found = $state.raw<readonly Message[]>([]);
  /** How far back it has looked, RFC 3339; null while that is not known. */
  reached = $state<string | null>(null);
  trouble = $state.raw<unknown>(null);
  /** There is more to look through. */
  more = $state(false);

  #query: Query | null = null;
  #cursor: string | null = null;
  #running = new AbortController();

  constructor(
    private readonly by: Caller,
    private readonly channel: string,
  ) {}

  stop(): void {
    this.#running.abort();
  }

  /** Begins anew. */
  async begin(query: Query): Promise<void> {
    this.#query = query;
    this.#cursor = null;
    this.found = [];
    this.reached = null;
    await this.go();
  }

  /** Looks on until something new is found. */
  async go(): Promise<void> {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    this.state = "busy";
    this.trouble = null;
    this.more = false;
    try {
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const { items, next } = await this.#page(signal);
        if (signal.aborted) return;
        this.#cursor = next;
        const news = items.filter(({ deleted }) => !deleted);
        this.found = [...this.found, ...news];
        this.reached = news.at(-1)?.at ?? this.reached;
        if (next === null || news.length > 0) break;
      }
      this.more = this.#cursor !== null;
    } catch (error) {
      if (signal.aborted) return;
      this.trouble = error;
      this.more = this.#cursor !== null;
    }
    this.state = "done";
  }

  #page(signal: AbortSignal): ReturnType<typeof messages> {
    const { q = "", user = "" } = this.#query ?? {};
    const wanted = {
      limit: PAGE,
      ...(q === "" ? {} : { q }),
      ...(user === "" ? {} : { user }),
      ...(this.#cursor === null ? {} : { cursor: this.#cursor }),
    };
    return messages(this.by, this.channel, wanted, signal);
  }
}
