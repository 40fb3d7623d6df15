import type { Emote } from "../../api/community";

/** A part of a message: plain text, a link that is safe to show, somebody's name, or a picture. */
export type Piece =
  | { type: "text"; text: string }
  | { type: "link"; text: string; href: string }
  | { type: "mention"; text: string; name: string }
  | { type: "emote"; text: string; emote: Emote };

/** Which picture a code stands for. */
export type FindEmote = (code: string) => Emote | undefined;

// A colon may end one code and begin the next, so only the first one is taken.
const FOUND =
  /https?:\/\/[^\s<>"'。，、！？）】」』]+|@[a-z0-9_]{3,32}(?![a-z0-9_])|:[a-z0-9_]{1,32}(?=:)/giu;
/** What ends a sentence rather than an address. */
const TAIL = /[.,;:!?)\]}»”’。，、！？）】」』…]+$/u;

/** Takes a message apart. */
export function pieces(text: string, find: FindEmote = () => undefined): Piece[] {
  const all: Piece[] = [];
  let at = 0;
  const until = (end: number): void => {
    if (end > at) all.push({ type: "text", text: text.slice(at, end) });
  };
  for (const { 0: found, index } of text.matchAll(FOUND)) {
    const piece = index < at ? null : read(found, text.charAt(index - 1), find);
    if (!piece) continue;
    until(index);
    all.push(piece);
    at = index + piece.text.length;
  }
  until(text.length);
  return all;
}

function read(found: string, before: string, find: FindEmote): Piece | null {
  if (found.startsWith("@")) {
    // An address of mail, or of something else, is no mention.
    if (/[\w.@/-]/.test(before)) return null;
    return { type: "mention", text: found, name: found.slice(1).toLowerCase() };
  }
  if (!found.startsWith(":")) return link(found.replace(TAIL, ""));
  const emote = find(found.slice(1));
  return emote ? { type: "emote", text: `${found}:`, emote } : null;
}

/** Only what leads where it says: names before an `@` are made to look like hosts. */
function link(text: string): Piece | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const safe = ["http:", "https:"].includes(url.protocol) && !url.username && !url.password;
  return safe && url.hostname.includes(".") ? { type: "link", text, href: url.href } : null;
}
