import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakePeer, FakeServer } from "../../webrtc/fake-peer";
import type { EngineEvent } from "../engine";
import { WhepEngine } from "./engine";

let server: FakeServer;
let engine: WhepEngine;
let heard: string[];
const video = { srcObject: null as unknown };

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  const page = new EventTarget();
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("document", { baseURI: "http://weir.test/ada", hidden: false });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal(
    "MediaStream",
    class {
      readonly tracks: unknown[] = [];
      addTrack = (track: unknown): void => void this.tracks.push(track);
      getVideoTracks = (): unknown[] => this.tracks;
    },
  );
  heard = [];
  video.srcObject = null;
  engine = new WhepEngine(video as unknown as HTMLVideoElement, "ada", (event) =>
    heard.push(word(event)),
  );
  engine.start();
});

afterEach(() => {
  engine.destroy();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function word(event: EngineEvent): string {
  return event.type === "broken" && event.after ? `broken ${event.after}` : event.type;
}

const peer = (): FakePeer => FakePeer.last;
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

/** A connected session in which `seconds` of 30 pictures each have come. */
async function watch(seconds: number): Promise<void> {
  await settle();
  if (peer().iceConnectionState !== "connected") peer().become("connected", "connected");
  for (let half = 0; half < seconds * 2; half++) {
    frames += 15;
    picture();
    await vi.advanceTimersByTimeAsync(500);
  }
}

let frames = 0;
beforeEach(() => void (frames = 0));

function picture(): void {
  peer().stats = [
    {
      type: "inbound-rtp",
      kind: "video",
      packetsReceived: frames * 9,
      framesDecoded: frames,
      framesPerSecond: 30,
      frameWidth: 1280,
      frameHeight: 720,
      jitterBufferDelay: frames * 0.02,
      jitterBufferEmittedCount: frames,
      totalDecodeTime: frames * 0.005,
    },
    {
      type: "candidate-pair",
      nominated: true,
      state: "succeeded",
      responsesReceived: 1,
      currentRoundTripTime: 0.03,
    },
  ];
}

test("picture and sound are asked for, in stereo, and put into the video element", async () => {
  await settle();
  expect(peer().transceivers.map(({ kind, init }) => `${kind} ${init.direction}`)).toEqual([
    "video recvonly",
    "audio recvonly",
  ]);
  expect(server.calls[0]?.url).toBe("/whep/ada");
  expect(server.calls[0]?.body).toContain("stereo=1");
  expect(heard).toEqual(["found"]);
  const receiver = { jitterBufferTarget: null, playoutDelayHint: null };
  const event = Object.assign(new Event("track"), { track: { kind: "video" }, receiver });
  peer().dispatchEvent(event);
  expect(video.srcObject).not.toBeNull();
  expect(receiver).toEqual({ jitterBufferTarget: 0, playoutDelayHint: 0 });
});

test("progress tells the measured delay once pictures come", async () => {
  expect(engine.progress()).toBeNull();
  await watch(3);
  expect(engine.progress()).toMatchObject({ behind: 0, quiet: 0 });
  expect(engine.progress()?.delay).toBeCloseTo(0.015 + 0.02 + 0.005);
  expect([...new Set(heard)]).toEqual(["found", "qualities", "moved"]);
});

test("a picture that stands still is told; a publisher that is silent too", async () => {
  await watch(3);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(heard.at(-1)).toBe("stalled");
  expect(engine.progress()?.quiet).toBeGreaterThan(1_000);
});

test("nothing heard at all starts ICE anew, and gives up when that does not help", async () => {
  await watch(3);
  await vi.advanceTimersByTimeAsync(4_500);
  expect(server.methods()).toBe("POST PATCH");
  expect(engine.progress()?.quiet).toBe(0);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(heard.at(-1)).toBe("closed");
});

test("sound before the first picture shows nothing", async () => {
  await settle();
  const event = new Event("track");
  peer().dispatchEvent(Object.assign(event, { track: { kind: "video" }, receiver: {} }));
  peer().become("connected", "connected");
  for (let half = 1; half < 5; half++) {
    const sound = { packetsReceived: half * 25, jitterBufferEmittedCount: half * 24_000 };
    peer().stats = [{ type: "inbound-rtp", kind: "audio", ...sound }];
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(heard).not.toContain("moved");
});

test("a far end that closes is told", async () => {
  await watch(3);
  peer().become("connected", "closed");
  expect(heard.at(-1)).toBe("closed");
});

test("a session without a packet is broken", async () => {
  await settle();
  peer().become("connected", "closed");
  expect(heard).toEqual(["found", "broken"]);
});

async function check(status: number, expected: string, headers = {}): Promise<void> {
  engine.destroy();
  heard = [];
  server.refuse["POST"] = { status, headers };
  engine = new WhepEngine(video as unknown as HTMLVideoElement, "ada", (event) =>
    heard.push(word(event)),
  );
  engine.start();
  await settle();
  expect(heard).toEqual([expected]);
}

test("refusals are told as what they mean", async () => {
  await settle();
  await check(404, "missing");
  await check(406, "unsupported");
  await check(405, "unsupported");
  await check(503, "broken 9000", { "Retry-After": "9" });
  await check(500, "broken");
});

test("leaving before the server answered ends the session all the same", async () => {
  engine.destroy();
  await settle();
  expect(server.methods()).toBe("POST DELETE");
  expect(heard).toEqual([]);
});
