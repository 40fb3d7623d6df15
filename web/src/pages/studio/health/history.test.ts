import { expect, test } from "vitest";

import type { Health } from "../../../api/health";
import { HISTORY_MS, sampleOf, span, steps, withSample, type Sample } from "./history";

const NOTHING: Health = {
  live: false,
  protocol: null,
  bitrate: null,
  frame_rate: null,
  keyframe_interval: null,
  b_frames: null,
  dropped_frames: null,
  clock_jumps: null,
  skips: null,
  codecs: [],
  messages: [],
};

/** Samples of one bitrate each, so many seconds after the start. */
const history = (...bitrates: [second: number, bitrate: number | null][]): Sample[] =>
  bitrates
    .map(([second, bitrate]) =>
      sampleOf({ ...NOTHING, live: bitrate !== null, bitrate }, second * 1_000),
    )
    .reduce<Sample[]>(withSample, []);

test("a history never grows beyond its span", () => {
  const all: [number, number][] = Array.from({ length: 1_000 }, (_, at) => [at * 2, at]);
  const kept = history(...all);
  expect(kept.at(-1)?.bitrate).toBe(999);
  expect(kept.at(-1)!.at - kept[0]!.at).toBe(HISTORY_MS);
});

test("a page that was not seen for a while has a hole, not a line", () => {
  expect(history([0, 5], [2, 6], [60, 7]).map((sample) => sample.bitrate)).toEqual([5, 6, null, 7]);
});

test("one slow answer is no hole", () => {
  expect(history([0, 5], [7, 6])).toHaveLength(2);
});

test("a clock that is set back begins anew", () => {
  expect(history([100, 5], [102, 6], [40, 7]).map((sample) => sample.bitrate)).toEqual([7]);
});

test("the span of what is known", () => {
  expect(span(history([0, 5], [2, null], [4, 3]), "bitrate")).toEqual({ least: 3, most: 5 });
  expect(span(history([0, 5]), "frameRate")).toBeNull();
});

test("steps are means, newest first", () => {
  const read = steps(history([0, 4], [2, 6], [30, 8], [32, null]), 30_000);
  expect(read.map(({ at, bitrate }) => [at, bitrate])).toEqual([
    [30_000, 8],
    [0, 5],
  ]);
});
