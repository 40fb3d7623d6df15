import type { Flying, Sky } from "../room.svelte";

/** Between two looks at what is due, in milliseconds. */
const LOOK_EVERY_MS = 100;
/** Comments that wait for their picture. Of more, the oldest do not fly. */
const WAITING_MAX = 500;

/**
 * Comments fly over the picture that was there when they were said: whoever sees it later sees them later. Somebody's own
 * fly at once, and nothing waits while nobody knows how late the picture is.
 */
export class Aligned implements Sky {
  #waiting: { since: number; what: Flying }[] = [];
  #look: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly sky: Sky,
    /** How late the picture is now, in seconds; null when that is not known. */
    private readonly late: () => number | null,
  ) {}

  fly(what: Flying, own: boolean): void {
    if (own || (this.late() ?? 0) <= 0) return this.sky.fly(what, own);
    this.#waiting.push({ since: performance.now(), what });
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    this.#look ??= setInterval(() => this.#release(), LOOK_EVERY_MS);
  }

  land(gone: { id?: string; user?: string | null }): void {
    this.#waiting = this.#waiting.filter(
      ({ what: { id, user } }) => !(gone.id === id || gone.user === null || gone.user === user.id),
    );
    this.sky.land(gone);
  }

  close(): void {
    clearInterval(this.#look);
    this.#waiting = [];
  }

  #release(): void {
    const late = (this.late() ?? 0) * 1_000;
    const now = performance.now();
    while (this.#waiting[0] && now - this.#waiting[0].since >= late) {
      const due = this.#waiting.shift();
      if (due) this.sky.fly(due.what, false);
    }
    if (this.#waiting.length > 0) return;
    clearInterval(this.#look);
    this.#look = undefined;
  }
}
