import { expect, test } from "vitest";

import { elapsed } from "./elapsed";

const start = "2030-01-02T03:04:05Z";
const after = (seconds: number): string | null =>
  elapsed(start, Date.parse(start) + seconds * 1_000);

test("minutes have two digits, hours come when they are there", () => {
  expect(after(5)).toBe("00:05");
  expect(after(65)).toBe("01:05");
  expect(after(3_723)).toBe("1:02:03");
  expect(after(100 * 3_600)).toBe("100:00:00");
});

test("no start, a start to come and a start that is none give nothing", () => {
  expect(elapsed(null, 0)).toBeNull();
  expect(after(-1)).toBeNull();
  expect(elapsed("soon", 0)).toBeNull();
});
