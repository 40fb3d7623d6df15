import { expect, test } from "vitest";

import type { Emote } from "../../api/community";
import { pieces } from "./pieces";

function check(text: string, ...found: string[]): void {
  const all = pieces(text);
  expect(all.map((piece) => piece.text).join("")).toBe(text);
  const shown = all.flatMap((piece) => {
    if (piece.type === "text") return [];
    if (piece.type === "emote") return piece.text;
    return piece.type === "link" ? piece.href : `@${piece.name}`;
  });
  expect(shown).toEqual(found);
}

const EMOTE = { url: "/e", width: 1, height: 1, animated: false, scope: "global" } as const;

test("links are what browsers would open, without the sentence around them", () => {
  check("see https://a.example/b?c=d.", "https://a.example/b?c=d");
  check("(http://a.example)、https://b.example！", "http://a.example/", "https://b.example/");
  check("https://a.example/@anna", "https://a.example/@anna");
});

test("what is no address of the web, or pretends to be another, stays text", () => {
  check("javascript:alert(1) data:text/html,x ftp://a.example");
  check("https://bank.example@evil.example/ https:// http://localhost");
  check('https://a.example/"onmouseover=x', "https://a.example/");
});

test("names are found as people write them", () => {
  check("@Anna, hi @bob_1!", "@anna", "@bob_1");
  check("mail@anna.example a@bob @ab x/@anna");
});

test("codes of pictures are found where there is such a picture, also side by side", () => {
  const find = (code: string): Emote | undefined =>
    code === "wave" ? { ...EMOTE, code } : undefined;
  const found = pieces("at 10:30:00 :wave::wave: :foo:wave: :wave", find).map(({ text, type }) =>
    type === "emote" ? `[${text}]` : text,
  );
  expect(found).toEqual(["at 10:30:00 ", "[:wave:]", "[:wave:]", " :foo", "[:wave:]", " :wave"]);
});

test("nothing is nothing", () => check(""));
