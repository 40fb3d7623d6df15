import { expect, test } from "vitest";

import { Cushion } from "./cushion";

/** Stalls at these seconds; expects this cushion at the last number. */
function check(stalls: number[], at: number, expected: number): void {
  const cushion = new Cushion();
  for (const second of stalls) cushion.stalled(second * 1_000);
  expect(cushion.seconds(at * 1_000)).toBeCloseTo(expected);
}

test("an even line needs none", () => check([], 60, 0));
test("each stall adds some", () => check([1, 2, 3], 4, 0.75));
test("there is a most", () => check([...Array(40).keys()], 40, 2));
test("it stays while stalls are recent", () => check([10], 39, 0.25));
test("it is taken back slowly once they are not", () => check([10], 50, 0.15));
test("nothing is left in the end", () => check([10, 11], 600, 0));
