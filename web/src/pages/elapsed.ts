/** Time since `start` (RFC 3339) as a clock shows it, `1:02:03`; null without a start or with one in the future. */
export function elapsed(start: string | null, now: number): string | null {
  const since = start === null ? Number.NaN : Date.parse(start);
  return now >= since ? lasting(now - since) : null;
}

/** So many milliseconds as a clock shows them, `1:02:03`. */
export function lasting(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const clock = `${two(minutes)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${clock}` : clock;
}
