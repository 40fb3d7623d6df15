import type { Health, HealthMessage } from "../../../api/health";
import { decimal, messagesUnder } from "../../../i18n";
import { fill } from "../../../i18n/language";

const known = messagesUnder("health.message.");

/** A message to the streamer in the reader's language; the server's own words where there are no others. */
export function healthWords(message: HealthMessage, health: Health): string {
  const words = known[message.subject];
  if (!words) return message.text;
  return fill(words, {
    seconds: decimal(health.keyframe_interval ?? 0),
    jumps: health.clock_jumps ?? 0,
    skips: health.skips ?? 0,
  });
}
