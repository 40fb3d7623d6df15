import type { Message } from "../../chat/wire";

/** Messages that are in the page at once. */
export const SHOWN_MAX = 120;
/** By so many messages the part that is in the page moves. */
export const STEP = 40;
/** Messages that somebody who reads above has in memory. Of more, the newest go: who reads down there begins anew. */
export const STRETCH_MAX = 2_000;

/** A part of the transcript that somebody reads, without holes, and the part of that which is in the page. */
export class Stretch {
  #all: Message[];
  #from: number;
  #to: number;
  #torn: boolean;

  /** Oldest first. `torn` when what follows its end is not known; `at` is a place that is in the page, the end unless given. */
  constructor(all: readonly Message[], torn = false, at = all.length) {
    this.#all = [...all];
    this.#torn = torn;
    this.#to = Math.min(this.#all.length, at + SHOWN_MAX / 2);
    this.#from = Math.max(0, this.#to - SHOWN_MAX);
  }

  get lines(): Message[] {
    return this.#all.slice(this.#from, this.#to);
  }

  get all(): readonly Message[] {
    return this.#all;
  }

  /** Whether the newest message there is stands in the page. */
  get atEnd(): boolean {
    return !this.#torn && this.#to === this.#all.length;
  }

  /** Shows what is older; false when that is not in memory. */
  up(): boolean {
    if (this.#from === 0) return false;
    this.#from = Math.max(0, this.#from - STEP);
    this.#to = Math.min(this.#to, this.#from + SHOWN_MAX);
    return true;
  }

  /** Shows what is newer; false when that is not in memory. */
  down(): boolean {
    if (this.#to === this.#all.length) return false;
    this.#to = Math.min(this.#all.length, this.#to + STEP);
    this.#from = Math.max(this.#from, this.#to - SHOWN_MAX);
    return true;
  }

  /** Somebody said something now. It is not shown before the reader comes there. */
  append(message: Message): void {
    if (this.#torn) return;
    if (this.#all.length >= STRETCH_MAX) this.#torn = true;
    else this.#all.push(message);
  }

  /** What was said before; oldest first. It is not shown before the reader goes up. */
  prepend(older: readonly Message[]): void {
    this.#all.unshift(...older);
    this.#from += older.length;
    this.#to += older.length;
    const most = Math.max(this.#to, STRETCH_MAX);
    if (this.#all.length <= most) return;
    this.#all.length = most;
    this.#torn = true;
  }

  filter(stays: (message: Message) => boolean): void {
    const before = this.#all.slice(0, this.#from).filter(stays).length;
    const shown = this.lines.filter(stays).length;
    this.#all = this.#all.filter(stays);
    [this.#from, this.#to] = [before, before + shown];
  }

  map(change: (message: Message) => Message): void {
    this.#all = this.#all.map(change);
  }
}
