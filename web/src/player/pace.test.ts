import { expect, test } from "vitest";

import { pace, type Pace } from "./pace";

function check(behind: number, ahead: number, expected: Pace, cushion = 0): void {
  const progress = { behind, ahead, target: 0.7, receivedAt: null, quiet: 0, growsWithin: 1_500 };
  expect(pace(progress, cushion)).toEqual(expected);
}

test("on time plays as it was recorded", () => check(0.72, 0.6, { rate: 1 }));
test("a little late is caught up gently", () => check(0.9, 0.7, { rate: 1.05 }));
test("late is caught up at the fastest rate", () => check(3, 2, { rate: 1.2 }));
test("late without media loaded waits", () => check(3, 0.2, { rate: 1 }));
test("early is left alone, it drifts no further", () => check(0.4, 0.3, { rate: 1 }));
test("an uneven line is on time later", () => check(1.2, 1, { rate: 1 }, 0.5));
test("far behind jumps", () => check(9, 8, "jump"));
