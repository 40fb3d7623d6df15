import { language } from "../../i18n";

const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** Whether a time of the API is over. */
export const isPast = (time: string): boolean => new Date(time).getTime() <= Date.now();

/** A time of the API (RFC 3339), as the reader writes it. */
export function when(time: string): string {
  const read = new Date(time);
  return Number.isNaN(read.getTime()) ? time : format.format(read);
}
