import { expect, test } from "vitest";

import { Health, type Verdict } from "./health";
import type { Reading } from "./reading";

const nothing: Reading = {
  packets: 0,
  frames: null,
  heard: 0,
  roundTrip: null,
  held: 0,
  emitted: 0,
  decoding: 0,
  lines: 0,
  frameRate: 0,
  bytes: 0,
};

/** Half seconds as letters: P picture and packets, s sound alone, c an answered check, - nothing. The last verdict. */
function check(story: string, expected: Partial<Verdict>, pictures = true): void {
  const health = new Health();
  let reading = { ...nothing, frames: pictures ? 0 : null };
  let verdict: Verdict | undefined;
  [...story].forEach((letter, index) => {
    const { packets, heard, frames } = reading;
    if (letter !== "-") reading = { ...reading, heard: heard + 1 };
    if (letter === "P" || letter === "s") reading = { ...reading, packets: packets + 25 };
    if (letter === "P") reading = { ...reading, frames: (frames ?? 0) + 15 };
    verdict = health.judge(reading, (index + 1) * 500);
  });
  expect(verdict).toMatchObject(expected);
}

test("pictures that come are fine", () => {
  check("PPPPPP", { still: false, dead: false, silent: 0 });
});

test("one late reading is no stall, two are", () => {
  check("PPPPP-", { still: false });
  check("PPPPP--", { still: true, dead: false });
  check("PPPPPss", { still: true, silent: 0 });
});

test("a far end that answers checks but sends nothing is silent, not dead", () => {
  check("PPPP----c----c----c---", { still: true, dead: false, silent: 9_000 });
});

test("a far end of which nothing is heard is dead", () => {
  check("PPPP-------", { dead: false });
  check("PPPP--------", { dead: true });
});

test("sound alone stands still when its packets do", () => {
  check("ssss", { still: false }, false);
  check("ssss--", { still: true }, false);
});

test("a picture every second is not still between two", () => {
  const health = new Health();
  let verdict: Verdict | undefined;
  for (let now = 500; now <= 20_000; now += 500) {
    verdict = health.judge({ ...nothing, frames: Math.floor(now / 1_000) }, now);
    if (now > 5_000) expect(verdict.still).toBe(false);
  }
});
