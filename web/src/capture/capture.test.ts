import { expect, test } from "vitest";

import { choices, chosen, present } from "./devices";
import { loudness, settle } from "./level";
import { bitrateFor } from "./presets";
import { screenTroubleOf, troubleOf } from "./trouble";

const tone = (amplitude: number): Float32Array =>
  Float32Array.from({ length: 480 }, (_, index) => amplitude * Math.sin(index / 4));

test("silence is nothing, full scale nearly all, half as loud a little less", () => {
  expect(loudness(new Float32Array(480))).toBe(0);
  expect(loudness(new Float32Array(0))).toBe(0);
  expect(loudness(tone(1))).toBeCloseTo(0.95, 1);
  expect(loudness(tone(0.5))).toBeCloseTo(0.85, 1);
  expect(loudness(tone(0.0001))).toBe(0);
});

test("a meter rises at once and falls slowly", () => {
  expect(settle(0.2, 0.9, 0.1)).toBe(0.9);
  expect(settle(0.9, 0.1, 0.1)).toBeCloseTo(0.78);
});

test("more lines and more pictures want more bits, within limits", () => {
  expect(bitrateFor(720, 30)).toBe(2_500_000);
  expect(bitrateFor(720, 60)).toBe(3_800_000);
  expect(bitrateFor(360, 15)).toBe(500_000);
  expect(bitrateFor(1080, 60)).toBe(6_800_000);
});

const error = (name: string): Error => Object.assign(new Error(), { name });

test("the browser's errors are told as what a person can do about them", () => {
  expect(troubleOf(error("NotAllowedError"))).toBe("golive.trouble.denied");
  expect(troubleOf(error("NotFoundError"))).toBe("golive.trouble.none");
  expect(troubleOf(error("NotReadableError"))).toBe("golive.trouble.busy");
  expect(troubleOf(error("OverconstrainedError"))).toBe("golive.trouble.gone");
  expect(troubleOf("?")).toBe("golive.trouble.other");
});

test("who closes the question which screen to share has chosen, and needs no words", () => {
  expect(screenTroubleOf(error("NotAllowedError"))).toBeNull();
  expect(screenTroubleOf(error("NotReadableError"))).toBe("golive.trouble.busy");
});

const device = (kind: string, deviceId: string, label: string, groupId = ""): MediaDeviceInfo =>
  ({ kind, deviceId, label, groupId }) as MediaDeviceInfo;

test("devices are listed by kind, the unnamed numbered, aliases left out", () => {
  const all = [
    device("videoinput", "c1", "Webcam"),
    device("videoinput", "c2", ""),
    device("audioinput", "default", "Default - Mic"),
    device("audioinput", "m1", "Mic"),
    device("audiooutput", "s1", "Speakers"),
  ];
  const name = (count: number): string => `Device ${count}`;
  expect(choices(all, "videoinput", name)).toEqual([
    { id: "c1", name: "Webcam" },
    { id: "c2", name: "Device 2" },
  ]);
  expect(choices(all, "audioinput", name)).toEqual([{ id: "m1", name: "Mic" }]);
});

test("before the browser is allowed to, it names no device", () => {
  const all = [device("videoinput", "", ""), device("audioinput", "", "")];
  expect(choices(all, "videoinput", String)).toEqual([]);
  expect(present(all, "videoinput")).toBe(true);
  expect(present([], "videoinput")).toBe(false);
});

test("a device that was opened by an alias is found by what it is part of", () => {
  const all = [
    device("audioinput", "default", "Default - Two", "g2"),
    device("audioinput", "m1", "One", "g1"),
    device("audioinput", "m2", "Two", "g2"),
  ];
  expect(chosen(all, "audioinput", { deviceId: "default", groupId: "g2" })).toBe("m2");
  expect(chosen(all, "audioinput", { deviceId: "m1", groupId: "g1" })).toBe("m1");
  expect(chosen(all, "audioinput", {})).toBe("m1");
  expect(chosen([], "audioinput", {})).toBeNull();
});
