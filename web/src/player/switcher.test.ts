import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Way } from "./choice";
import type { EngineEvent, EngineFactory } from "./engine";
import { Switcher, type Choice } from "./switcher";

/** As much of a video element as is touched. */
class Video extends EventTarget {
  currentTime = 0;
  paused = false;
  seeking = false;
  muted = true;
  volume = 1;
  readyState = 4;
  playbackRate = 1;
  seekable = { length: 1, start: () => 0 };

  play = (): Promise<void> => Promise.resolve();
  pause = (): void => void (this.paused = true);

  move(): void {
    this.currentTime += 0.25;
    this.dispatchEvent(new Event("timeupdate"));
  }
}

let videos: Record<Way, Video>;
let reports: Record<Way, (event: EngineEvent) => void>;
let story: string[];
let live: boolean | null;
let choice: Choice;
let switcher: Switcher;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: false, pictureInPictureElement: null });
  videos = { whep: new Video(), hls: new Video() };
  reports = {} as typeof reports;
  story = [];
  live = true;
  const engine =
    (way: Way): EngineFactory =>
    (_video, _channel, report) => {
      reports[way] = report;
      return {
        start: () => void story.push(`start ${way}`),
        destroy: () => void story.push(`stop ${way}`),
        toLive: () => void story.push(`to live ${way}`),
        progress: () => null,
        choose: () => {},
      };
    };
  switcher = new Switcher(
    videos as unknown as Record<Way, HTMLVideoElement>,
    "ada",
    { whep: engine("whep"), hls: engine("hls") },
    () => Promise.resolve(live),
    (way) => story.push(`front ${way}`),
  );
  switcher.on("choice", (value) => (choice = value));
});

afterEach(() => {
  switcher.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function picture(way: Way): void {
  reports[way]({ type: "found", session: way });
  videos[way].move();
}

/** What happened since the last look. */
function happened(): string {
  return story.splice(0).join(", ");
}

test("real time that has a picture in time stays alone", async () => {
  switcher.open("auto", true);
  await vi.advanceTimersByTimeAsync(1_500);
  picture("whep");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(happened()).toBe("start whep, front whep");
  expect(choice).toEqual({ shown: "whep", wish: "auto", able: true, fallen: false });
});

test("LL-HLS comes in front with a picture, with the viewer's sound, and real time comes back", async () => {
  switcher.open("auto", true);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(happened()).toBe("start whep, front whep, start hls");
  videos.whep.muted = false;
  videos.whep.volume = 0.4;
  picture("hls");
  expect(happened()).toBe("front hls, stop whep");
  expect([videos.hls.muted, videos.hls.volume, videos.whep.muted]).toEqual([false, 0.4, true]);
  expect(choice.fallen).toBe(true);
  await vi.advanceTimersByTimeAsync(13_000);
  expect(happened()).toBe("start whep");
  picture("whep");
  expect(happened()).toBe("front whep, stop hls");
  expect([videos.hls.muted, videos.whep.muted]).toEqual([true, false]);
});

test("a page that nobody looks at makes no trials", async () => {
  switcher.open("auto", true);
  await vi.advanceTimersByTimeAsync(2_000);
  picture("hls");
  happened();
  vi.stubGlobal("document", { hidden: true });
  await vi.advanceTimersByTimeAsync(300_000);
  expect(happened()).toBe("");
});

test("the page hears the player that is in front", async () => {
  const phases: string[] = [];
  switcher.on("phase", (phase) => phases.push(phase));
  switcher.open("auto", true);
  await vi.advanceTimersByTimeAsync(2_000);
  reports.hls({ type: "missing" });
  expect(phases).toEqual(["connecting", "connecting"]);
  picture("whep");
  expect(phases.at(-1)).toBe("live");
});

test("a pause outlives the change of ways", async () => {
  switcher.open("auto", true);
  picture("whep");
  videos.whep.paused = true;
  switcher.wish("hls");
  picture("hls");
  expect(videos.hls.paused).toBe(true);
});

test("WHEP that knows no such stream of a live channel gives way", async () => {
  switcher.open("auto", true);
  reports.whep({ type: "missing" });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(happened()).toBe("start whep, front whep, stop whep, start whep");
  reports.whep({ type: "missing" });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(choice).toMatchObject({ shown: "hls", fallen: true });
});

test("going back waits for LL-HLS, and the way to live leads back to real time", async () => {
  switcher.open("auto", true);
  picture("whep");
  happened();
  switcher.back(10);
  videos.hls.currentTime = 40;
  expect(happened()).toBe("start hls");
  picture("hls");
  expect(happened()).toBe("front hls, stop whep");
  expect(videos.hls.currentTime).toBe(30.25);
  switcher.toLive();
  expect(happened()).toBe("to live hls, start whep");
});
