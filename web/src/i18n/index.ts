import en from "./en.json";
import ko from "./ko.json";
import { chooseLanguage, fill, type Language } from "./language";
import zh from "./zh.json";

export type Message = keyof typeof en;

const messages: Record<Language, Record<Message, string>> = { en, zh, ko };

/** The reader's language, fixed while the page is open. */
export const language: Language = chooseLanguage(navigator.languages);

/** A message in the reader's language. */
export function t(message: Message, values: Record<string, string | number> = {}): string {
  return fill(messages[language][message], values);
}

/** Messages whose names begin with `prefix`, by the rest of their names. */
export function messagesUnder(prefix: string): Record<string, string> {
  const all = Object.entries(messages[language]).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(all.map(([name, text]) => [name.slice(prefix.length), text]));
}

const whole = new Intl.NumberFormat(language, { notation: "compact" });
const tenths = new Intl.NumberFormat(language, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

const hundredths = new Intl.NumberFormat(language, {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});

/** A count as people read it: 1.2K. */
export const count = (value: number): string => whole.format(value);
/** A number with one decimal. */
export const decimal = (value: number): string => tenths.format(value);
/** Seconds as far as they matter: 0.12, 3.4. */
export const seconds = (value: number): string =>
  (value < 0.995 ? hundredths : tenths).format(value);
