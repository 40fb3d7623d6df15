import { Problem } from "../api/request";
import { messagesUnder, t } from "../i18n";

const words = messagesUnder("problem.");

/** What went wrong, for the person it went wrong for. */
export function problemWords(error: unknown): string {
  if (!(error instanceof Problem)) return t("problem.unknown");
  const slug = error.type?.replace("urn:weir:problem:", "") ?? "";
  if (error.status === 429) {
    const seconds = Math.ceil((error.retryAfter ?? 60_000) / 1_000);
    return t("problem.too-many-requests", { seconds });
  }
  if (words[slug]) return words[slug];
  if (error.status === 0) return t("problem.unreachable");
  // The server's own words, in English, are better than none.
  return error.message || t("problem.unknown");
}
