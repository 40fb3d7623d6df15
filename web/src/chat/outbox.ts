/** Messages that may wait for their ack. */
export const PENDING_MAX = 20;
/** A server knows a client's id for ten minutes; what is older is not sent again, lest it is said twice. In ms. */
const RESEND_FOR_MS = 9 * 60_000;
/** A message without an ack is sent again after so long, in milliseconds. */
const ACK_WITHIN_MS = 10_000;

/** A message that is on its way. */
export interface Pending {
  /** The client's id of it. */
  readonly id: string;
  readonly text: string;
  readonly replyTo: string | null;
}

interface Outgoing extends Pending {
  readonly since: number;
  /** When it goes out again if nothing is heard of it. */
  due: number;
  /** Where it stands, once that is known. */
  offset: number | null;
}

/**
 * What was said and has not been seen in the transcript yet. A value: it is told the time (milliseconds since 1970), and
 * answers what is to be sent. `all` is another list whenever it changed.
 */
export class Outbox {
  #all: Outgoing[] = [];

  get all(): readonly Pending[] {
    return this.#all;
  }

  /** Keeps a message, due at once; null when too many wait already. */
  add(text: string, replyTo: string | null, now: number): string | null {
    if (this.#all.length >= PENDING_MAX) return null;
    const said = { id: newId(), text, replyTo, since: now, due: now, offset: null };
    this.#all = [...this.#all, said];
    return said.id;
  }

  /** What to send now. Each comes again until it is acked. */
  due(now: number): Pending[] {
    const due = this.#all.filter((said) => said.offset === null && now >= said.due);
    for (const said of due) said.due = now + ACK_WITHIN_MS;
    return due;
  }

  /** Takes out what has waited for so long that it must not be sent again. */
  expired(now: number): Pending[] {
    return this.#take((said) => said.offset === null && now - said.since > RESEND_FOR_MS);
  }

  /** The room was joined anew: what has no ack goes out again. */
  again(now: number): void {
    for (const said of this.#all) said.due = now;
  }

  /** It stands at `offset`, and waits until the transcript comes there. */
  acked(id: string, offset: number, told: number): void {
    const said = this.#find(id);
    if (said) said.offset = offset;
    this.told(told);
  }

  /** The transcript was told up to an offset. */
  told(offset: number): void {
    this.#take((said) => said.offset !== null && said.offset <= offset);
  }

  /** Offsets above this one count no more: what stood there is asked for anew, unless it is told again before. */
  rewound(offset: number, now: number): void {
    for (const said of this.#all) {
      if (said.offset === null || said.offset <= offset) continue;
      said.offset = null;
      said.due = now + ACK_WITHIN_MS;
    }
  }

  /** A fresh page follows: what was acked stands in it, or is older than it. */
  skipped(): void {
    this.#take((said) => said.offset !== null);
  }

  /** It could not be said now and may be in so many milliseconds; whether it waits here. */
  later(id: string, now: number, ms: number): boolean {
    const said = this.#find(id);
    if (said) said.due = now + ms;
    return said !== undefined;
  }

  /** Takes one out that is not said. */
  refused(id: string): Pending | null {
    return this.#take((said) => said.id === id)[0] ?? null;
  }

  #find(id: string): Outgoing | undefined {
    return this.#all.find((said) => said.id === id);
  }

  #take(goes: (said: Outgoing) => boolean): Outgoing[] {
    const gone = this.#all.filter(goes);
    if (gone.length > 0) this.#all = this.#all.filter((said) => !gone.includes(said));
    return gone;
  }
}

/** 128 random bits. `crypto.randomUUID` is not there on pages of plain HTTP. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
