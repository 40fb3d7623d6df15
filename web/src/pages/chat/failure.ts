import type { Refusal } from "../../chat/client";
import { messagesUnder, t } from "../../i18n";

const words = messagesUnder("chat.error.");

/** Why something was not done, for whoever wanted it. */
export function failureWords({ code, text, retryAfter }: Omit<Refusal, "pending">): string {
  const seconds = Math.ceil(retryAfter ?? 0);
  if (code === "timed_out" && seconds > 0) return t("chat.error.timed_out", { seconds });
  // The server's own words, in English, are better than none.
  return words[code] ?? (text || t("problem.unknown"));
}
