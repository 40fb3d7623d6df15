/** What counts as silence, in decibels below full scale. */
const FLOOR_DB = -60;
/** How fast the meter falls, as a share of its length a second: eyes follow it. */
const FALL = 1.2;

/** How loud samples between -1 and 1 are, from 0 (silence) to 1 (full scale), on the scale that ears have. */
export function loudness(samples: Float32Array): number {
  let squares = 0;
  for (const sample of samples) squares += sample * sample;
  const decibels = 10 * Math.log10(squares / Math.max(1, samples.length));
  return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
}

/** What a meter shows that showed `shown` so many seconds before: up at once, down slowly. */
export function settle(shown: number, now: number, seconds: number): number {
  return Math.max(now, shown - FALL * seconds);
}
