import type { ChatClient } from "../../chat/client";
import type { Entry, Message, Person, Settings } from "../../chat/wire";

/** How long it is offered to undo a ban, in milliseconds. */
const UNDO_WITHIN_MS = 20_000;

/** What a moderator did to somebody, and may undo. */
export interface Deed {
  person: Person;
  /** Null for good. */
  seconds: number | null;
}

/** What a moderator decides about. */
export interface Sentence {
  /** Null for good. */
  seconds: number | null;
  reason: string;
  /** Whether nobody else comes from where they are; of bans for good. */
  address: boolean;
}

/** What moderators do in a room. */
export class Order {
  /** The last ban, as long as it is offered to undo it. */
  deed = $state.raw<Deed | null>(null);
  /** Messages that wait for a moderator. */
  held = $state(0);
  /** Messages that were reported. */
  reported = $state(0);

  #asked: Deed | null = null;
  #undoing: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: ChatClient) {
    client.on("held", (count) => (this.held = count));
    client.on("reported", (count) => (this.reported = count));
    client.on("refused", () => (this.#asked = null));
  }

  delete(message: Pick<Message, "id">): void {
    this.client.request({ type: "delete", id: message.id });
  }

  pin(message: Message | null): void {
    this.client.request({ type: "pin", id: message?.id ?? null });
  }

  set(settings: Settings): boolean {
    return this.client.request({ type: "settings", settings });
  }

  ban(person: Person, { seconds, reason, address }: Sentence): void {
    const about = { user: person.id, ...(reason === "" ? {} : { reason }) };
    this.#asked = { person, seconds };
    this.client.request(
      seconds === null
        ? { type: "ban", ...about, ...(address ? { address } : {}) }
        : { type: "timeout", ...about, seconds },
    );
  }

  /** Takes the last ban back. */
  undo(): void {
    if (!this.deed) return;
    this.client.request({ type: "unban", user: this.deed.person.id });
    this.deed = null;
  }

  /** Something was taken back, by `me` perhaps. */
  cleared({ user, by }: Extract<Entry, { type: "cleared" }>, me: Person | null): void {
    if (!this.#asked || user !== this.#asked.person.id || by !== me?.id) return;
    this.deed = this.#asked;
    this.#asked = null;
    clearTimeout(this.#undoing);
    this.#undoing = setTimeout(() => (this.deed = null), UNDO_WITHIN_MS);
  }

  close(): void {
    clearTimeout(this.#undoing);
  }
}
