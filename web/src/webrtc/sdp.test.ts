import { expect, test } from "vitest";

import { fragmentOf, iceOf, withIce, withParameters } from "./sdp";

const sdp = (...lines: string[]): string => lines.map((line) => line + "\r\n").join("");

const offer = sdp(
  "v=0",
  "a=group:BUNDLE 0 1",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=ice-ufrag:ours",
  "a=ice-pwd:secret-of-ours",
  "a=mid:0",
  "a=rtpmap:96 H264/90000",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:ours",
  "a=ice-pwd:secret-of-ours",
  "a=mid:1",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
);

const answer = sdp(
  "v=0",
  "a=ice-lite",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=ice-ufrag:theirs",
  "a=ice-pwd:secret-of-theirs",
  "a=candidate:1 1 udp 1 192.0.2.1 8189 typ host",
  "a=end-of-candidates",
  "a=mid:0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:theirs",
  "a=ice-pwd:secret-of-theirs",
  "a=mid:1",
);

test("stereo is added to what Opus has, once", () => {
  const once = withParameters(offer, ["opus"], { stereo: 1 });
  expect(once).toContain("a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n");
  expect(withParameters(once, ["opus"], { stereo: 1 })).toBe(once);
});

test("Opus without parameters gets a line for them, other codecs none", () => {
  const bare = offer.replace("a=fmtp:111 minptime=10;useinbandfec=1\r\n", "");
  expect(withParameters(bare, ["opus"], { stereo: 1, maxaveragebitrate: 128_000 })).toBe(
    bare + "a=fmtp:111 stereo=1;maxaveragebitrate=128000\r\n",
  );
  const video = sdp("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000");
  expect(withParameters(video, ["opus"], { stereo: 1 })).toBe(video);
});

test("the fragment of an offer names the bundle, its first section and the credentials", () => {
  expect(fragmentOf(offer)).toBe(
    sdp(
      "a=group:BUNDLE 0 1",
      "m=video 9 UDP/TLS/RTP/SAVPF 96",
      "a=mid:0",
      "a=ice-ufrag:ours",
      "a=ice-pwd:secret-of-ours",
    ),
  );
});

test("what holds no credentials is no fragment", () => {
  expect(fragmentOf("v=0\r\n")).toBeNull();
  expect(iceOf("")).toBeNull();
});

test("a restart's answer keeps all but ICE", () => {
  const news =
    "a=ice-ufrag:newer\na=ice-pwd:newer-secret\na=candidate:2 1 udp 1 192.0.2.2 8189 typ host\n";
  const ice = iceOf(news);
  expect(ice).not.toBeNull();
  const renewed = withIce(answer, ice!);
  expect(renewed).not.toContain("theirs");
  expect(renewed.match(/a=ice-ufrag:newer\r\n/g)?.length).toBe(2);
  expect(renewed.match(/a=candidate:/g)?.length).toBe(1);
  expect(renewed.indexOf("192.0.2.2")).toBeLessThan(renewed.indexOf("m=audio"));
  expect(renewed).not.toContain("end-of-candidates");
});

test("without new candidates the old ones stay", () => {
  const renewed = withIce(answer, { ufrag: "n", pwd: "p", candidates: [] });
  expect(renewed).toContain("192.0.2.1");
});

test("candidates are not put into a section that was refused", () => {
  const refused = answer.replace("m=video 9", "m=video 0");
  const renewed = withIce(refused, {
    ufrag: "n",
    pwd: "p",
    candidates: ["candidate:1 1 udp 1 192.0.2.2 8189 typ host"],
  });
  expect(renewed.indexOf("192.0.2.2")).toBeGreaterThan(renewed.indexOf("m=audio"));
});
