/** The first wait, in milliseconds; each one after it may be twice as long. */
const FIRST_MS = 500;
/** The longest, in milliseconds. */
const LONGEST_MS = 30_000;

/** How long to wait after so many failures in a row: from half to all of a time that doubles, by `random` from 0 to 1. */
export function backoff(failures: number, random: number): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
  return most * (0.5 + random / 2);
}
