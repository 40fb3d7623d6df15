import { messages, type Wanted } from "../../api/messages";
import type { Caller } from "../../api/caller";
import type { Message } from "../../chat/wire";

/** Messages that are asked for at once. */
const PAGE = 50;
/** Pages without anything new that are passed over before the reader is asked whether to go on. */
const EMPTY_MAX = 5;
/**
 * How far behind a message its surroundings end at most, in milliseconds. A fourth of that, and again, until the message is
 * in the page: so about a fourth of the page or more comes after it, however fast people talk.
 */
const SURROUNDINGS_MS = 600_000;

/** What was said before that which a room still knows. */
export class Past {
  state = $state<"idle" | "loading" | "begun" | "failed">("idle");

  #cursor: string | null = null;
  /** Grows when another place is read: what was asked before does not count. */
  #turn = 0;

  constructor(
    private readonly by: Caller,
    private readonly channel: string,
  ) {}

  /** Another place is read. */
  forget(): void {
    this.#turn += 1;
    this.#cursor = null;
    this.state = "idle";
  }

  /** What was said before `oldest`, newest first; null when nothing comes of it. Goes on where it stopped. */
  async before(oldest: Message | null): Promise<Message[] | null> {
    if (this.state === "loading" || this.state === "begun") return null;
    const turn = this.#turn;
    this.state = "loading";
    try {
      for (let empty = 0; empty < EMPTY_MAX; empty += 1) {
        const { items, next } = await messages(this.by, this.channel, this.#wanted(oldest));
        if (turn !== this.#turn) return null;
        this.#cursor = next;
        this.state = next === null ? "begun" : "loading";
        if (next === null || items.some(({ id }) => id !== oldest?.id)) {
          if (next !== null) this.state = "idle";
          return items;
        }
      }
      this.state = "idle";
    } catch {
      if (turn === this.#turn) this.state = "failed";
    }
    return null;
  }

  /** A page with a message in it, newest first; null when it is no longer there. */
  async around(id: string, at: number): Promise<Message[] | null> {
    for (let after = SURROUNDINGS_MS; ; after = Math.ceil(after / 4)) {
      const before = new Date(at + after).toISOString();
      const { items } = await messages(this.by, this.channel, { limit: PAGE, before });
      if (items.some((message) => message.id === id)) return items;
      if (after === 1) return null;
    }
  }

  #wanted(oldest: Message | null): Wanted {
    if (this.#cursor !== null) return { limit: PAGE, cursor: this.#cursor };
    if (oldest === null) return { limit: PAGE };
    // What was said in the same millisecond may be older as well.
    return { limit: PAGE, before: new Date(Date.parse(oldest.at) + 1).toISOString() };
  }
}

/** When a message was said, by its id (RFC 9562, section 5.7), in milliseconds since 1970; null of other ids. */
export function saidAt(id: string): number | null {
  const hex = id.replaceAll("-", "");
  return /^[0-9a-f]{12}7[0-9a-f]{19}$/.test(hex) ? Number.parseInt(hex.slice(0, 12), 16) : null;
}
