import type { Entry, Message } from "../../chat/wire";
import { SHOWN_MAX, Stretch } from "./stretch";

/** The last messages, in memory: who goes up a little waits for nothing. */
export const KEPT_MAX = 600;
/** Messages that are in the page while so much is said that nobody reads above: about as many as a tall screen shows. */
export const LOUD_SHOWN_MAX = 60;
/** Messages that are let go of together. */
const SLACK = 100;

/** A message that comes a second time has come among so many last ones. */
const TWICE_WITHIN = 64;

/** A message, and where it stands if the room told of it. */
type Placed = Message & { offset?: number };

/** What of a room is shown: its end, or what somebody reads above; without what was taken back. */
export class Feed {
  /** The end. */
  #kept: Placed[] = [];
  /** Null while the end is followed. */
  #read: Stretch | null = null;
  /** Messages that came while it was held. */
  #missed = 0;
  /** Much is said. */
  loud = false;

  get lines(): readonly Message[] {
    return this.#read?.lines ?? this.#kept.slice(this.loud ? -LOUD_SHOWN_MAX : -SHOWN_MAX);
  }

  /** How many came since it was held. */
  get missed(): number {
    return this.#missed;
  }

  get holds(): boolean {
    return this.#read !== null;
  }

  /** Whether the newest message stands in the page. */
  get atEnd(): boolean {
    return this.#read?.atEnd ?? true;
  }

  /** The oldest message in memory. */
  get oldest(): Message | null {
    return this.#all[0] ?? null;
  }

  find(id: string): Message | null {
    const named = (message: Message): boolean => message.id === id;
    return this.#all.find(named) ?? this.#kept.find(named) ?? null;
  }

  /** Begins anew. */
  reset(): void {
    this.#kept = [];
    this.#read = null;
    this.#missed = 0;
  }

  /** What came after an offset is told again. */
  rewind(since: number): void {
    const stays = (message: Placed): boolean => (message.offset ?? 0) <= since;
    this.#kept = this.#kept.filter(stays);
    this.#read?.filter(stays);
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
    this.#read ??= new Stretch(this.#kept);
  }

  /** The end is shown again. */
  release(): void {
    this.#read = null;
    this.#missed = 0;
  }

  /** Shows what is older; false when that is not in memory. */
  up(): boolean {
    return this.#read?.up() ?? false;
  }

  /** Shows what is newer; false when that is not in memory. */
  down(): boolean {
    return this.#read?.down() ?? false;
  }

  /** What was said before all that is in memory; newest first, as the API has it. What is known already is left out. */
  older(page: readonly Message[]): void {
    const older = this.#news(page);
    if (this.#read) this.#read.prepend(older);
    else this.#kept = [...older, ...this.#kept];
  }

  /** Shows another place: a page of the API with the message `id` in it, which goes on until now if it meets the end. */
  show(page: readonly Message[], id: string): void {
    const before = this.#news(page, this.#kept);
    const shown = page.filter(({ deleted }) => !deleted);
    const meets = before.length < shown.length;
    const all = meets ? [...before, ...this.#kept] : before;
    const at = all.findIndex((message) => message.id === id);
    this.#read = new Stretch(all, !meets, at);
  }

  get #all(): readonly Message[] {
    return this.#read?.all ?? this.#kept;
  }

  /** Oldest first. */
  #news(page: readonly Message[], known = this.#all): Message[] {
    const ids = new Set(known.map(({ id }) => id));
    return page.filter(({ id, deleted }) => !deleted && !ids.has(id)).reverse();
  }

  #push(message: Placed): void {
    // What was kept may have come by the API before.
    if (this.#kept.slice(-TWICE_WITHIN).some(({ id }) => id === message.id)) return;
    this.#kept.push(message);
    if (this.#kept.length > KEPT_MAX + SLACK) this.#kept.splice(0, SLACK);
    if (!this.#read) return;
    this.#missed += 1;
    this.#read.append(message);
  }

  #take(goes: (message: Message) => boolean): void {
    // Its place and its author stay; the words go.
    const gone = (message: Message): Message =>
      goes(message) ? { ...message, text: "", deleted: true } : message;
    this.#kept = this.#kept.map(gone);
    this.#read?.map(gone);
  }
}
