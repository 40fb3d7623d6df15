import type { Message } from "../i18n";

/** Why a camera, a microphone or a screen cannot be had, as a message: what the browser's error means to a person. */
export function troubleOf(error: unknown): Message | null {
  const name = error instanceof DOMException || error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "golive.trouble.denied";
    case "NotFoundError":
      return "golive.trouble.none";
    case "NotReadableError":
    case "AbortError":
      return "golive.trouble.busy";
    case "OverconstrainedError":
      return "golive.trouble.gone";
    default:
      return "golive.trouble.other";
  }
}

/** The same for a screen: closing the browser's own question is a choice, and needs no words. */
export function screenTroubleOf(error: unknown): Message | null {
  const trouble = troubleOf(error);
  return trouble === "golive.trouble.denied" ? null : trouble;
}
