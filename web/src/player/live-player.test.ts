import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Engine, EngineEvent, Progress } from "./engine";
import { LivePlayer, type Events } from "./live-player";

/** As much of a video element as the player touches. */
class Video extends EventTarget {
  currentTime = 0;
  paused = false;
  seeking = false;
  readyState = 4;
  playbackRate = 1;
  plays = 0;
  seekable = { length: 1, start: () => 0 };

  play(): Promise<void> {
    this.plays++;
    return Promise.resolve();
  }

  /** Shows a later picture. */
  move(): void {
    this.currentTime += 0.25;
    this.dispatchEvent(new Event("timeupdate"));
  }
}

/** An engine that does what the test says, and remembers what it was told. */
class Script implements Engine {
  watches = false;
  progressNow: Progress | null = null;
  readonly told: string[] = [];

  constructor(readonly report: (event: EngineEvent) => void) {}

  start = (): void => void this.told.push("start");
  destroy = (): void => void this.told.push("destroy");
  toLive = (): void => void this.told.push("to live");
  choose = (quality: string | null): void => void this.told.push(`choose ${quality}`);
  progress = (): Progress | null => this.progressNow;
}

const onTime: Progress = {
  receivedAt: null,
  behind: 0.7,
  target: 0.7,
  ahead: 0.6,
  quiet: 50,
  growsWithin: 2_000,
};

let player: LivePlayer;
let video: Video;
let engines: Script[];
let live: boolean | null;
let heard: { [K in keyof Events]: Events[K][] };

beforeEach(() => {
  vi.useFakeTimers();
  video = new Video();
  engines = [];
  live = false;
  heard = { phase: [], qualities: [], latency: [], late: [], blocked: [], broken: [] };
  player = new LivePlayer(
    video as unknown as HTMLVideoElement,
    "ada",
    (_video, _channel, report) => {
      const engine = new Script(report);
      engines.push(engine);
      return engine;
    },
    () => Promise.resolve(live),
  );
  player.on("phase", (phase) => heard.phase.push(phase));
  player.on("latency", (latency) => heard.latency.push(latency));
  player.on("late", (late) => heard.late.push(late));
  player.open();
});

afterEach(() => {
  player.close();
  vi.useRealTimers();
});

function engine(): Script {
  const last = engines.at(-1);
  if (!last) throw new Error("no engine was made");
  return last;
}

function watch(session: string): void {
  engine().report({ type: "found", session });
  engine().progressNow = onTime;
  video.move();
}

test("a page that waits starts when the channel goes live", async () => {
  engine().report({ type: "missing" });
  expect(engine().told).toEqual(["start", "destroy"]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(engines.length).toBe(1);
  live = true;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(engines.length).toBe(2);
  watch("a");
  expect(heard.phase).toEqual(["connecting", "offline", "connecting", "live"]);
});

test("what a thrown away engine still reports is not heard", async () => {
  watch("a");
  const first = engine();
  first.report({ type: "broken" });
  live = true;
  await vi.advanceTimersByTimeAsync(1_000);
  first.report({ type: "unsupported" });
  watch("a");
  expect(heard.phase.at(-1)).toBe("live");
});

test("a stream that stops growing is reconnecting once its last frame was shown", () => {
  watch("a");
  engine().progressNow = { ...onTime, quiet: 3_000 };
  vi.advanceTimersByTime(500);
  expect(heard.phase.at(-1)).toBe("live");
  video.dispatchEvent(new Event("waiting"));
  expect(heard.phase.at(-1)).toBe("reconnecting");
});

test("a complete stream whose video never says that it ended, ends all the same", () => {
  watch("a");
  engine().report({ type: "complete" });
  video.dispatchEvent(new Event("waiting"));
  vi.advanceTimersByTime(4_000);
  expect(heard.phase.at(-1)).toBe("ended");
});

test("a late viewer catches up, a very late one jumps", () => {
  watch("a");
  engine().progressNow = { ...onTime, behind: 2, ahead: 1.5 };
  vi.advanceTimersByTime(250);
  expect(video.playbackRate).toBe(1.2);
  engine().progressNow = { ...onTime, behind: 20, ahead: 10 };
  vi.advanceTimersByTime(250);
  expect(engine().told.at(-1)).toBe("to live");
});

test("a viewer whose line is uneven plays a little farther behind, a stumbling publisher changes nothing", () => {
  watch("a");
  const wait = (quiet: number): void => {
    video.dispatchEvent(new Event("waiting"));
    engine().progressNow = { ...onTime, quiet };
    vi.advanceTimersByTime(250);
    video.move();
    engine().progressNow = { ...onTime, behind: 0.85 };
    vi.advanceTimersByTime(500);
  };
  wait(5_000);
  expect(video.playbackRate).toBe(1.05);
  wait(0);
  expect(video.playbackRate).toBe(1);
});

test("a pause is left alone; what follows it goes to the live edge", () => {
  watch("a");
  video.paused = true;
  engine().progressNow = { ...onTime, behind: 20, ahead: 10 };
  vi.advanceTimersByTime(1_000);
  expect(engine().told).toEqual(["start"]);
  expect(heard.late.at(-1)).toBe(true);
  video.paused = false;
  video.dispatchEvent(new Event("play"));
  expect(engine().told.at(-1)).toBe("to live");
});

test("a video that has no picture yet does not move", () => {
  video.readyState = 1;
  watch("a");
  expect(heard.phase).toEqual(["connecting"]);
  video.readyState = 2;
  video.move();
  expect(heard.phase).toEqual(["connecting", "live"]);
});

test("of an engine that watches its pictures, the video element's time says nothing", () => {
  engine().watches = true;
  watch("a");
  expect(heard.phase.at(-1)).toBe("connecting");
  engine().report({ type: "moved" });
  expect(heard.phase.at(-1)).toBe("live");
  engine().report({ type: "stalled" });
  video.move();
  expect(heard.phase.at(-1)).toBe("buffering");
});

test("who went back in time stays there until they return", () => {
  watch("a");
  video.currentTime = 30;
  player.back(10);
  expect(video.currentTime).toBe(20);
  engine().progressNow = { ...onTime, behind: 11, ahead: 8 };
  vi.advanceTimersByTime(1_000);
  expect([video.playbackRate, heard.late.at(-1)]).toEqual([1, true]);
  expect(engine().told).toEqual(["start"]);
  player.back(100);
  expect(video.currentTime).toBe(2);
  player.toLive();
  expect(engine().told.at(-1)).toBe("to live");
});

test("an engine that measures its delay itself is believed", () => {
  watch("a");
  engine().progressNow = { ...onTime, delay: 0.12 };
  vi.advanceTimersByTime(250);
  expect(heard.latency.at(-1)?.seconds).toBe(0.12);
});

test("latency is told once the server's clock is known", () => {
  watch("a");
  const now = performance.timeOrigin + performance.now();
  // The server's clock is an hour ahead, and so are the stream's time stamps.
  engine().progressNow = { ...onTime, receivedAt: now + 3_600_000 - 900 };
  vi.advanceTimersByTime(250);
  expect(heard.latency.at(-1)).toBeNull();
  for (let asked = 0; asked < 3_000; asked += 90) {
    const date = Math.floor((now + asked + 3_600_005) / 1_000) * 1_000;
    engine().report({
      type: "clock",
      reading: { asked: now + asked, answered: now + asked + 10, date },
    });
  }
  vi.advanceTimersByTime(250);
  const latency = heard.latency.at(-1);
  expect(latency?.seconds).toBeGreaterThan(0.7);
  expect(latency?.seconds).toBeLessThan(1.7);
  expect(latency?.uncertainty).toBeLessThan(0.1);
});

test("closing frees the engine and asks no more", async () => {
  engine().report({ type: "missing" });
  player.close();
  live = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(engines.length).toBe(1);
});
