import { language } from "../../i18n";

const time = new Intl.DateTimeFormat(language, {
  hour: "2-digit",
  minute: "2-digit",
  hour12: false,
});
const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

const written = (format: Intl.DateTimeFormat, at: string): string => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "" : format.format(date);
};

/** The time of day of a moment in RFC 3339, where the reader is. */
export const clock = (at: string): string => written(time, at);

/** Its day and time. */
export const moment = (at: string): string => written(whole, at);

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** So many seconds as people say them, in the largest unit that has them whole: "10 minutes". */
export function duration(seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => seconds % size === 0) ?? ["second", 1];
  const format = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" });
  return format.format(seconds / size);
}
