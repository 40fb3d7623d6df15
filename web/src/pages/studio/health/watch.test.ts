import { beforeAll, expect, test, vi } from "vitest";

import type { Health } from "../../../api/health";
import type { HealthWatch as HealthWatchClass } from "./watch.svelte";

let HealthWatch: typeof HealthWatchClass;
let healthWords: (typeof import("./words"))["healthWords"];

beforeAll(async () => {
  vi.stubGlobal("navigator", { languages: ["ko"] });
  ({ HealthWatch } = await import("./watch.svelte"));
  ({ healthWords } = await import("./words"));
});

const answer = (live: boolean): Health => ({
  live,
  protocol: live ? "rtmp" : null,
  bitrate: live ? 800_000 : null,
  frame_rate: live ? 30 : null,
  keyframe_interval: live ? 4 : null,
  b_frames: live ? false : null,
  dropped_frames: live ? 0 : null,
  clock_jumps: live ? 0 : null,
  skips: live ? 0 : null,
  codecs: [],
  messages: [],
});

const watch = (): HealthWatchClass => new HealthWatch({ call: vi.fn() }, "anna");

test("a channel that was never live has no history and no end", () => {
  const seen = watch();
  seen.take(answer(false), 1_000);
  expect(seen).toMatchObject({ history: [], endedAt: null });
});

test("a stream that ends is told with its time, until the next one", () => {
  const seen = watch();
  seen.take(answer(true), 1_000);
  seen.take(answer(false), 3_000);
  seen.take(answer(false), 5_000);
  expect(seen.endedAt).toBe(3_000);
  expect(seen.history.map((sample) => sample.bitrate)).toEqual([800_000, null, null]);
  seen.take(answer(true), 7_000);
  expect(seen.endedAt).toBeNull();
});

test("messages are said in the reader's language, with figures; unknown ones in the server's words", () => {
  const far = { subject: "keyframes-far", text: "Keyframes are 4.0 s apart." };
  expect(healthWords(far, answer(true))).toMatch(/4\.0초/);
  const other = { subject: "something-new", text: "Something new." };
  expect(healthWords(other, answer(true))).toBe("Something new.");
});
