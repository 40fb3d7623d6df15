/** A part of a message: plain text, a link that is safe to show, or somebody's name. */
export type Piece =
  | { type: "text"; text: string }
  | { type: "link"; text: string; href: string }
  | { type: "mention"; text: string; name: string };

const FOUND = /https?:\/\/[^\s<>"'。，、！？）】」』]+|@[a-z0-9_]{3,32}(?![a-z0-9_])/giu;
/** What ends a sentence rather than an address. */
const TAIL = /[.,;:!?)\]}»”’。，、！？）】」』…]+$/u;

/** Takes a message apart. */
export function pieces(text: string): Piece[] {
  const all: Piece[] = [];
  let at = 0;
  const until = (end: number): void => {
    if (end > at) all.push({ type: "text", text: text.slice(at, end) });
  };
  for (const { 0: found, index } of text.matchAll(FOUND)) {
    // An address of mail, or of something else, is no mention.
    if (found.startsWith("@") && /[\w.@/-]/.test(text.charAt(index - 1))) continue;
    const piece = found.startsWith("@") ? mention(found) : link(found.replace(TAIL, ""));
    if (!piece) continue;
    until(index);
    all.push(piece);
    at = index + piece.text.length;
  }
  until(text.length);
  return all;
}

const mention = (text: string): Piece => ({
  type: "mention",
  text,
  name: text.slice(1).toLowerCase(),
});

/** Only what leads where it says: names before an `@` are made to look like hosts. */
function link(text: string): Piece | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const safe = ["http:", "https:"].includes(url.protocol) && !url.username && !url.password;
  return safe && url.hostname.includes(".") ? { type: "link", text, href: url.href } : null;
}
