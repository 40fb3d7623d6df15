import type { Reading } from "./reading";

/** Without a new picture for this long, the picture stands: long enough for a lost keyframe asked for again. In milliseconds. */
const STILL_MS = 700;
/** Slow pictures are not still ones: so many times their usual distance. */
const STILL_FRAMES = 4;
/** Without any packet for this long, the publisher or the line is silent, in milliseconds. */
export const SILENT_MS = 2_000;
/** A far end that lives answers a check of ICE every 2.5 s, as Chromium asks. In milliseconds. */
const DEAD_MS = 3_500;
/** Share of the newest distance between pictures in the usual one. */
const SMOOTH = 0.3;

/** What is to be thought of a session. */
export interface Verdict {
  /** Pictures came, and do not now. */
  still: boolean;
  /** Milliseconds since the last packet. */
  silent: number;
  /** Nothing at all is heard of the far end: the line is broken, whatever its states say. */
  dead: boolean;
}

/** Judges a session by its readings, of which there is one every half second or so. */
export class Health {
  private last: Reading | null = null;
  private movedAt = 0;
  private packetAt = 0;
  private heardAt = 0;
  /** Usual milliseconds between two pictures. */
  private usual = 0;

  judge(reading: Reading, now: number): Verdict {
    const { last } = this;
    if (!last || reading.packets > last.packets) this.packetAt = now;
    if (!last || reading.heard > last.heard) this.heardAt = now;
    const frames = (reading.frames ?? 0) - (last?.frames ?? 0);
    if (!last || frames > 0) {
      const distance = frames > 0 ? (now - this.movedAt) / frames : 0;
      if (last) this.usual += SMOOTH * (distance - this.usual);
      this.movedAt = now;
    }
    this.last = reading;
    const patience = Math.max(STILL_MS, this.usual * STILL_FRAMES);
    const silent = now - this.packetAt;
    return {
      still: reading.frames === null ? silent > STILL_MS : now - this.movedAt > patience,
      silent,
      dead: now - this.heardAt > DEAD_MS,
    };
  }

  /** The line was interrupted or mended: what was heard before says nothing. */
  forgive(now: number): void {
    this.heardAt = now;
  }
}
