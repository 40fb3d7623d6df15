import { language } from "../../i18n";

const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

const unit = (name: "hour" | "day"): Intl.NumberFormat =>
  new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" });
const [inHours, inDays] = [unit("hour"), unit("day")];

/** How long so many hours are, as the reader writes it: 1 hour, 7 days. */
export const lasting = (hours: number): string =>
  hours < 24 ? inHours.format(hours) : inDays.format(hours / 24);

const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

/** The time of day of a moment, in milliseconds since 1970. */
export const clockTime = (at: number): string => clock.format(at);

/** Whether a time of the API is over. */
export const isPast = (time: string): boolean => new Date(time).getTime() <= Date.now();

/** A time of the API (RFC 3339), as the reader writes it. */
export function when(time: string): string {
  const read = new Date(time);
  return Number.isNaN(read.getTime()) ? time : format.format(read);
}
