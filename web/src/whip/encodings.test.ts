import { expect, test } from "vitest";

import { encodingsOf, h264First } from "./encodings";

test("one layer has no name", () => {
  const quality = { lines: 720, frameRate: 30, bitrate: 2_000_000, simulcast: false };
  expect(encodingsOf(quality)).toEqual([{ maxBitrate: 2_000_000, maxFramerate: 30 }]);
});

test("small layers keep bits enough to be looked at", () => {
  const quality = { lines: 360, frameRate: 30, bitrate: 600_000, simulcast: true };
  expect(encodingsOf(quality).map(({ maxBitrate }) => maxBitrate)).toEqual([
    600_000, 180_000, 120_000,
  ]);
});

test("H.264 comes first, whole packets before it, the rest keeps its order", () => {
  const codec = (mimeType: string, sdpFmtpLine = ""): RTCRtpCodec => ({
    mimeType,
    clockRate: 90_000,
    sdpFmtpLine,
  });
  const all = [
    codec("video/VP8"),
    codec("video/rtx"),
    codec("video/H264", "packetization-mode=0"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=1"),
    codec("video/AV1"),
  ];
  expect(
    h264First(all).map(({ mimeType, sdpFmtpLine }) => mimeType + sdpFmtpLine?.slice(-1)),
  ).toEqual(["video/H2641", "video/H2640", "video/VP8", "video/rtx", "video/AV1"]);
});
