/** Languages that have a message file. The first is spoken to whoever asks for none of them. */
export const LANGUAGES = ["en", "zh", "ko"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The first of the reader's languages that we speak, by its primary subtag (`zh-Hant-TW` reads `zh`). */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0];
    const known = LANGUAGES.find((language) => language === primary);
    if (known) return known;
  }
  return LANGUAGES[0];
}

/** Puts values into the `{places}` of a message; a place without a value stays visible. */
export function fill(message: string, values: Record<string, string | number>): string {
  return message.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}
