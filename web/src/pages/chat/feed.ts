import type { Entry, Message } from "../../chat/wire";

/** Messages that are shown at once: what is older leaves the page. */
export const LINES_MAX = 200;
/** Messages that wait while somebody reads above; of more, the newest. */
export const HELD_MAX = 500;

/** What of a room is shown: the last messages, without what was taken back. */
export class Feed {
  #lines: Message[] = [];
  #held: Message[] = [];
  #holds = false;
  /** Messages that came while it was held, those that no longer wait included. */
  #missed = 0;

  get lines(): readonly Message[] {
    return this.#lines;
  }

  /** How many came since it was held. */
  get missed(): number {
    return this.#missed;
  }

  get holds(): boolean {
    return this.#holds;
  }

  /** Begins anew. */
  reset(): void {
    this.#lines = [];
    this.#held = [];
    this.#missed = 0;
  }

  apply(entry: Entry): void {
    switch (entry.type) {
      case "message":
        if (!entry.deleted) this.#push(entry);
        return;
      case "deleted":
        return this.#take((message) => message.id === entry.id);
      case "cleared":
        return this.#take(({ user }) => entry.user === null || user.id === entry.user);
    }
  }

  /** What is shown stays where it is, for somebody reads it. */
  hold(): void {
    this.#holds = true;
  }

  /** What waited is shown. */
  release(): void {
    this.#holds = false;
    this.#lines = [...this.#lines, ...this.#held].slice(-LINES_MAX);
    this.#held = [];
    this.#missed = 0;
  }

  #push(message: Message): void {
    if (this.#holds) {
      this.#missed += 1;
      this.#held.push(message);
      if (this.#held.length > HELD_MAX) this.#held.shift();
    } else {
      this.#lines.push(message);
      if (this.#lines.length > LINES_MAX) this.#lines.shift();
    }
  }

  #take(goes: (message: Message) => boolean): void {
    // Its place and its author stay; the words go.
    const gone = (message: Message): Message =>
      goes(message) ? { ...message, text: "", deleted: true } : message;
    this.#lines = this.#lines.map(gone);
    this.#held = this.#held.map(gone);
  }
}
