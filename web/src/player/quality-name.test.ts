import { expect, test } from "vitest";

import type { Quality } from "./engine";
import { byQuality, qualityName } from "./quality-name";

const quality = (lines: number, frameRate: number, mbit: number): Quality => ({
  id: "",
  lines,
  frameRate,
  bitrate: mbit * 1e6,
});

function check(all: Quality[], names: string[]): void {
  const sorted = [...all].sort(byQuality);
  expect(sorted.map((one) => qualityName(one, all, "sound"))).toEqual(names);
}

test("lines name a quality, a high frame rate is added", () => {
  check(
    [quality(480, 30, 1), quality(1080, 60, 6), quality(720, 30, 3)],
    ["1080p60", "720p", "480p"],
  );
});

test("two of a name are told apart by their bitrates", () => {
  check([quality(720, 30, 2), quality(720, 30, 4)], ["720p · 4.0 Mbit/s", "720p · 2.0 Mbit/s"]);
});

test("a stream without pictures is sound", () => check([quality(0, 0, 0.1)], ["sound"]));
