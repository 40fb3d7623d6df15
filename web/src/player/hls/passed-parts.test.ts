import { expect, test } from "vitest";

import { markPassedParts, type ListedPart } from "./passed-parts";

/** Segments as words: L a loaded part, - one that is not, g a gap of the stream. */
function listed(...segments: string[]): ListedPart[] {
  return segments.flatMap((parts, sn) =>
    [...parts].map((part) => ({ fragment: { sn }, loaded: part === "L", gap: part === "g" })),
  );
}

function check(segments: string[], gaps: string[]): void {
  const parts = listed(...segments);
  markPassedParts(parts);
  expect(parts.map((part) => part.gap)).toEqual([...gaps.join("")].map((part) => part === "g"));
}

test("parts before the first that was loaded are passed over, up to their segment's start", () => {
  check(["----", "--LL", "L"], ["----", "gg--", "-"]);
});

test("parts that are still to come are waited for", () => {
  check(["LLLL", "LL--", "--"], ["----", "----", "--"]);
  check(["----", "----"], ["----", "----"]);
  check([], []);
});

test("a gap of the stream stays one, and what precedes it is waited for", () => {
  check(["LL-g"], ["---g"]);
});
