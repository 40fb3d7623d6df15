import type { Settings } from "../../chat/wire";
import { t } from "../../i18n";

/** What holds in a room, in words. */
export function rules(settings: Settings): string[] {
  const { slow, followers_only, members_only, emote_only, links_off, unique } = settings;
  return [
    ...(slow > 0 ? [t("chat.rule.slow", { seconds: slow })] : []),
    ...(followers_only === null ? [] : [t("chat.rule.followers_only")]),
    ...(members_only ? [t("chat.rule.members_only")] : []),
    ...(emote_only ? [t("chat.rule.emote_only")] : []),
    ...(links_off ? [t("chat.rule.links_off")] : []),
    ...(unique ? [t("chat.rule.unique")] : []),
  ];
}
