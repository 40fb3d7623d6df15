import { expect, test } from "vitest";

import { ServerClock } from "./clock";

/** A server whose clock is `ahead` of ours answers requests sent at `times`, each taking `trip` both ways. */
function clock(ahead: number, trip: number, times: number[]): ServerClock {
  const clock = new ServerClock();
  for (const asked of times) {
    const date = Math.floor((asked + trip / 2 + ahead) / 1_000) * 1_000;
    clock.add({ asked, answered: asked + trip, date });
  }
  return clock;
}

const often = Array.from({ length: 200 }, (_, index) => 1_000_000 + index * 97);

test("without an answer nothing is known", () => {
  expect(new ServerClock().offset()).toBeNull();
});

test("one answer is good for half a second", () => {
  const offset = clock(0, 20, [1_000_400]).offset();
  expect(offset?.uncertainty).toBeCloseTo(510);
});

test("many answers find a clock that is wrong by minutes", () => {
  const offset = clock(-123_456, 20, often).offset();
  expect(offset?.value).toBeGreaterThan(-123_486);
  expect(offset?.value).toBeLessThan(-123_426);
  expect(offset?.uncertainty).toBeLessThan(40);
});

test("an answer that was held for long does no harm", () => {
  const held = clock(500, 20, often);
  held.add({ asked: 1_000_000, answered: 1_020_000, date: 1_020_000 });
  expect(Math.abs((held.offset()?.value ?? 0) - 500)).toBeLessThan(40);
});

test("a clock that was set is followed", () => {
  const set = clock(0, 20, often);
  set.add({ asked: 2_000_000, answered: 2_000_020, date: 2_060_000 });
  expect(set.offset()?.value).toBeGreaterThan(59_000);
});

test("a date that is no date is left out", () => {
  const odd = new ServerClock();
  odd.add({ asked: 0, answered: 1, date: Number.NaN });
  expect(odd.offset()).toBeNull();
});
