import type { ClockReading } from "./engine";

/** Readings kept: at ten answers a second about half a minute, so that a clock that is set right is followed. */
const READINGS_MAX = 300;

/** How the server's clock differs from ours: it lies between the two, in milliseconds to add to ours. */
interface Offset {
  from: number;
  to: number;
}

/**
 * The server's clock, from `Date` headers. One header has whole seconds and some travelling time, but each
 * bounds the difference between the clocks from both sides; many together bound it closely.
 */
export class ServerClock {
  private readonly bounds: Offset[] = [];

  add({ asked, answered, date }: ClockReading): void {
    // The header was written at some moment between asking and answering, and says that moment rounded down.
    const bound = { from: date - answered, to: date + 1_000 - asked };
    if (!Number.isFinite(bound.from) || bound.from > bound.to) return;
    if (this.bounds.push(bound) > READINGS_MAX) this.bounds.shift();
  }

  /** What to add to our clock to have the server's, and how wrong that may be, in milliseconds. */
  offset(): { value: number; uncertainty: number } | null {
    if (this.bounds.length === 0) return null;
    const from = Math.max(...this.bounds.map((bound) => bound.from));
    const to = Math.min(...this.bounds.map((bound) => bound.to));
    // Bounds that contradict each other: one of the clocks was set. Only new readings help.
    if (from > to) {
      this.bounds.splice(0, this.bounds.length - 1);
      return this.offset();
    }
    return { value: (from + to) / 2, uncertainty: (to - from) / 2 };
  }
}
