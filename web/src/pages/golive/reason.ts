import type { Problem } from "../../api/request";
import type { Message } from "../../i18n";

/** Why a publish ended by itself, as a message. */
export function reasonOf(why: Problem | null): Message {
  switch (why?.status) {
    case 401:
    case 403:
      return "golive.why.key";
    case 409:
      return "golive.why.taken";
    case 405:
    case 501:
      return "golive.why.off";
    case 406:
    case 415:
    case 422:
      return "golive.why.codec";
    default:
      return "golive.why.lost";
  }
}
