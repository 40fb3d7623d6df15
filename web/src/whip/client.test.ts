import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Problem } from "../api/request";
import { FakePeer, FakeServer } from "../webrtc/fake-peer";
import { Publisher, type PublisherState } from "./client";
import type { Quality } from "./encodings";

const quality: Quality = { lines: 720, frameRate: 30, bitrate: 2_500_000, simulcast: false };
const camera = { kind: "video" } as MediaStreamTrack;
const screen = { kind: "video" } as MediaStreamTrack;
const microphone = { kind: "audio" } as MediaStreamTrack;

let server: FakeServer;
let publisher: Publisher;
let told: [PublisherState, number | undefined][];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  const page = new EventTarget();
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("document", { baseURI: "http://weir.test/golive" });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("RTCRtpSender", { getCapabilities: () => null });
  vi.stubGlobal("MediaStream", class {});
  told = [];
});

afterEach(() => {
  publisher.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const peer = (): FakePeer => FakePeer.last;
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

async function publish(
  change: Partial<Quality> = {},
  audio: MediaStreamTrack | null = microphone,
): Promise<void> {
  publisher = new Publisher({
    key: "the-key",
    quality: { ...quality, ...change },
    onState: (state, why: Problem | null) => told.push([state, why?.status]),
  });
  publisher.start({ video: camera, audio });
  await settle();
}

async function live(): Promise<void> {
  await publish();
  peer().become("connected", "connected");
}

test("picture and sound are offered with the key, and live when they flow", async () => {
  await live();
  expect(server.calls[0]).toMatchObject({
    method: "POST",
    url: "/whip",
    headers: { Authorization: "Bearer the-key" },
  });
  expect(server.calls[0]?.body).toContain("stereo=1;sprop-stereo=1;maxaveragebitrate=128000");
  expect(peer().transceivers.map(({ kind, init }) => `${kind} ${init.direction}`)).toEqual([
    "video sendonly",
    "audio sendonly",
  ]);
  expect(told).toEqual([
    ["connecting", undefined],
    ["live", undefined],
  ]);
});

test("a publisher without a microphone offers no sound", async () => {
  await publish({}, null);
  expect(peer().transceivers.map(({ kind }) => kind)).toEqual(["video"]);
});

test("layers are three of falling size, the first the full picture", async () => {
  await publish({ simulcast: true });
  expect(peer().transceivers[0]?.init.sendEncodings).toEqual([
    { rid: "h", maxBitrate: 2_500_000, maxFramerate: 30 },
    { rid: "m", scaleResolutionDownBy: 2, maxBitrate: 750_000, maxFramerate: 30 },
    { rid: "l", scaleResolutionDownBy: 4, maxBitrate: 250_000, maxFramerate: 30 },
  ]);
});

test("another camera goes on in the same session, also after a new one was needed", async () => {
  await live();
  await publisher.replace("video", screen);
  expect(peer().senders[0]?.track).toBe(screen);
  expect(server.methods()).toBe("POST");
  peer().become("connected", "closed");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.methods()).toBe("POST POST");
  expect(peer().transceivers[0]?.track).toBe(screen);
});

test("the bitrate changes while it runs", async () => {
  await live();
  await publisher.change({ ...quality, bitrate: 900_000 });
  expect(peer().senders[0]?.parameters.encodings[0]?.maxBitrate).toBe(900_000);
});

test("a line that is lost is got back", async () => {
  await live();
  peer().become("disconnected", "connected");
  peer().become("connected", "closed");
  await vi.advanceTimersByTimeAsync(1_000);
  peer().become("connected", "connected");
  expect(told.map(([state]) => state)).toEqual(["connecting", "live", "reconnecting", "live"]);
});

test("a server that is away is asked again, ever more slowly, then given up", async () => {
  server.refuse["POST"] = { status: 502 };
  await publish();
  await vi.advanceTimersByTimeAsync(10_000);
  const tries = server.calls.length;
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThan(7);
  await vi.advanceTimersByTimeAsync(150_000);
  expect(told.at(-1)).toEqual(["ended", 502]);
});

test("a wrong key ends it at once, with why", async () => {
  server.refuse["POST"] = { status: 401 };
  await publish();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual([
    ["connecting", undefined],
    ["ended", 401],
  ]);
  expect(server.calls.length).toBe(1);
});

test("a full server is asked when it says", async () => {
  server.refuse["POST"] = { status: 503, headers: { "Retry-After": "20" } };
  await publish();
  await vi.advanceTimersByTimeAsync(19_000);
  expect(server.calls.length).toBe(1);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(server.calls.length).toBe(2);
});

test("stopping ends the session on the server and tells nothing more", async () => {
  await live();
  publisher.stop();
  expect(server.methods()).toBe("POST DELETE");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told.length).toBe(2);
});

test("stopping while the server still thinks ends what comes of it", async () => {
  publisher = new Publisher({ key: "k", quality, onState: () => {} });
  publisher.start({ video: camera, audio: null });
  publisher.stop();
  await settle();
  expect(server.methods()).toMatch(/^POST DELETE$/);
});

test("figures are what changed between two questions", async () => {
  await live();
  const stats = (seconds: number): Record<string, unknown>[] => [
    {
      type: "outbound-rtp",
      kind: "video",
      id: "v",
      codecId: "c",
      bytesSent: seconds * 250_000,
      packetsSent: seconds * 200,
      framesPerSecond: 29.7,
      frameWidth: 1280,
      frameHeight: 720,
      qualityLimitationReason: "bandwidth",
    },
    {
      type: "outbound-rtp",
      kind: "video",
      id: "w",
      bytesSent: seconds * 25_000,
      packetsSent: seconds * 40,
      frameHeight: 360,
    },
    { type: "codec", id: "c", mimeType: "video/H264" },
    { type: "remote-inbound-rtp", kind: "video", packetsLost: seconds * 12, roundTripTime: 0.042 },
  ];
  peer().stats = stats(1);
  expect(await publisher.figures()).toBeNull();
  await vi.advanceTimersByTimeAsync(1_000);
  peer().stats = stats(2);
  const figures = await publisher.figures();
  expect(figures).toMatchObject({
    frameRate: 30,
    width: 1280,
    height: 720,
    roundTrip: 0.042,
    limit: "bandwidth",
    codec: "H264",
  });
  expect(figures?.bitrate).toBeCloseTo(2_200_000, -4);
  expect(figures?.lost).toBeCloseTo(0.05);
});
