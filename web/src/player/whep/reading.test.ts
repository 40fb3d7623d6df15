import { expect, test } from "vitest";

import { Report, type Source } from "../../webrtc/report";
import { delay, read, type Reading } from "./reading";

const report = (...stats: Record<string, unknown>[]): Report =>
  new Report(new Map(stats.map((stat, index) => [String(index), stat])) as unknown as Source);

const video = {
  type: "inbound-rtp",
  kind: "video",
  packetsReceived: 900,
  bytesReceived: 900_000,
  framesDecoded: 300,
  framesPerSecond: 29.8,
  frameWidth: 1280,
  frameHeight: 720,
  jitterBufferDelay: 9,
  jitterBufferEmittedCount: 300,
  totalDecodeTime: 1.5,
};
const audio = {
  type: "inbound-rtp",
  kind: "audio",
  packetsReceived: 500,
  bytesReceived: 50_000,
  jitterBufferDelay: 9_600,
  jitterBufferEmittedCount: 480_000,
};
const pairs = [
  { type: "transport", selectedCandidatePairId: "b" },
  { type: "candidate-pair", id: "a", currentRoundTripTime: 9 },
  { type: "candidate-pair", id: "b", currentRoundTripTime: 0.04, responsesReceived: 12 },
];

test("picture and sound are told together, the delay by the picture", () => {
  expect(read(report(video, audio, ...pairs))).toEqual({
    packets: 1_400,
    frames: 300,
    heard: 1_412,
    roundTrip: 0.04,
    held: 9,
    emitted: 300,
    decoding: 1.5,
    lines: 720,
    frameRate: 30,
    bytes: 950_000,
  });
});

test("sound alone has no pictures, and tells the delay itself", () => {
  const silent = { ...video, packetsReceived: 0, framesDecoded: 0 };
  expect(read(report(silent, audio, ...pairs))).toMatchObject({
    frames: null,
    lines: 0,
    emitted: 480_000,
  });
});

test("browsers that name no selected pair have a nominated one", () => {
  const nominated = {
    type: "candidate-pair",
    id: "c",
    nominated: true,
    state: "succeeded",
    currentRoundTripTime: 0.1,
  };
  expect(read(report(nominated)).roundTrip).toBe(0.1);
});

test("nothing yet is nothing", () => {
  expect(read(report())).toMatchObject({ packets: 0, frames: null, roundTrip: null });
});

test("the delay is half the way, the holding and the decoding of the last pictures", () => {
  const before = read(report(video, ...pairs));
  const after: Reading = { ...before, emitted: 330, held: 10.5, frames: 330, decoding: 1.8 };
  expect(delay(before, after, null)).toBeCloseTo(0.02 + 0.05 + 0.01);
  expect(delay(before, before, null)).toBeNull();
  expect(delay(before, { ...after, roundTrip: null }, 0.1)).toBeNull();
});

test("a browser that tells when pictures are on the screen is believed", () => {
  const before = read(report(video, ...pairs));
  const after: Reading = { ...before, emitted: 330, held: 10.5, frames: 330, decoding: 1.8 };
  expect(delay(before, after, 0.07)).toBeCloseTo(0.02 + 0.07);
  expect(delay({ ...before, frames: null }, { ...after, frames: null }, 0.07)).toBeCloseTo(0.07);
});
