/** What each stall of the viewer's own line adds, in seconds. */
const STALL_S = 0.25;
/** Most that is added: a line that needs more is not helped by more. */
const MAX_S = 2;
/** After so long without a stall it is taken back, in milliseconds. */
const CALM_MS = 30_000;
/** How fast it is taken back, in seconds a second: too slow to be heard. */
const TAKEN_BACK = 0.01;

/** How much farther behind than the server asks a viewer plays, because their line is uneven. */
export class Cushion {
  private size = 0;
  private stalledAt = 0;

  /** Playback waited for data at `now` (milliseconds) although there was some to be had. */
  stalled(now: number): void {
    this.size = Math.min(MAX_S, this.seconds(now) + STALL_S);
    this.stalledAt = now;
  }

  seconds(now: number): number {
    const calm = Math.max(0, now - this.stalledAt - CALM_MS) / 1_000;
    return Math.max(0, this.size - calm * TAKEN_BACK);
  }
}
