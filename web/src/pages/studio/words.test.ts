import { expect, test } from "vitest";

import { joined } from "./words";

test("words come one a line, each once, and the last wish counts", () => {
  const before = [
    { word: "a", action: "mask" },
    { word: "b", action: "mask" },
  ] as const;
  expect(joined(before, " b \r\n\nc d\nb", "hold")).toEqual([
    { word: "a", action: "mask" },
    { word: "b", action: "hold" },
    { word: "c d", action: "hold" },
  ]);
});
