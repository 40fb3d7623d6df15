import { ServerClock } from "./clock";
import { Cushion } from "./cushion";
import type { Engine, EngineEvent, EngineFactory, Progress, Quality } from "./engine";
import { initial, step, type Effect, type Input, type Phase, type State } from "./machine";
import { pace } from "./pace";

/** How often progress is looked at, in milliseconds. */
const LOOK_EVERY_MS = 250;
/** Share by which questions are spread, so that all viewers of a stream do not ask at once. */
const SPREAD = 0.3;
/** A complete stream that has not moved for this long has shown what there is, in milliseconds. */
const DRAINED_AFTER_MS = 3_000;
/** A video that waits this long while the stream grows is moved to the live edge: its engine lost its place, or the line is too slow for what was missed. In milliseconds. */
const STUCK_AFTER_MS = 2_000;
/** After a pause, further behind than this goes to the live edge, in seconds. */
const RESUME_BEHIND_S = 1.5;
/** How well an engine's own measurement of the delay is known, in seconds. */
const MEASURED_WITHIN_S = 0.05;
/** What is nearest to leaving the playlist may be gone before it is loaded, in seconds. */
const EDGE_S = 2;
/** The measured latency is shown once the server's clock is known this well, in milliseconds. */
const CLOCK_GOOD_MS = 400;

/** `HTMLMediaElement.HAVE_CURRENT_DATA`: there is a picture of where the video is. */
const HAVE_CURRENT_DATA = 2;

/** From the server's receiving a frame to showing it here, and how wrong that may be. In seconds. */
export interface Latency {
  seconds: number;
  uncertainty: number;
}

export interface Events {
  phase: Phase;
  /** Which qualities there are, which one the viewer fixed (null: none), which one plays. */
  qualities: { qualities: Quality[]; chosen: string | null; playing: string | null };
  /** Null while it is not known. */
  latency: Latency | null;
  /** The viewer has fallen behind, by a pause for instance. */
  late: boolean;
  /** The browser wants a click before it plays. */
  blocked: boolean;
  /** The engine gave up, or its far end did; another one follows if the channel is live. */
  broken: true;
}

type Listener<K extends keyof Events> = (value: Events[K]) => void;

/** Plays one channel in one video element, through publishers that come, stumble and go. */
export class LivePlayer {
  private state: State = initial;
  private engine: Engine | null = null;
  private readonly clock = new ServerClock();
  private readonly cushion = new Cushion();
  /** The video waits for a reason other than the viewer's line: the stream stopped growing, or they moved in it. */
  private excused = false;
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>();
  private readonly closed = new AbortController();
  private look: ReturnType<typeof setInterval> | undefined;
  private asking: ReturnType<typeof setTimeout> | undefined;
  private lastTime = 0;
  private movedAt = 0;
  /** The viewer went back in time and stays there. */
  private rewound = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly channel: string,
    private readonly makeEngine: EngineFactory,
    /** Whether the channel is live; null when nobody answers. */
    private readonly isLive: () => Promise<boolean | null>,
  ) {}

  on<K extends keyof Events>(name: K, listener: Listener<K>): void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener as (value: never) => void));
  }

  open(): void {
    const { video } = this;
    const { signal } = this.closed;
    video.addEventListener("timeupdate", () => this.moved(), { signal });
    video.addEventListener("waiting", () => this.feed({ type: "stalled" }), { signal });
    video.addEventListener("ended", () => this.feed({ type: "drained" }), { signal });
    video.addEventListener("loadedmetadata", () => this.play(), { signal });
    video.addEventListener("play", () => this.resumed(), { signal });
    this.look = setInterval(() => this.inspect(), LOOK_EVERY_MS);
    this.feed({ type: "opened" });
  }

  close(): void {
    this.closed.abort();
    clearInterval(this.look);
    clearTimeout(this.asking);
    this.stop();
    this.listeners.clear();
  }

  /** Fixes a quality, or leaves it to the player (null). */
  choose(quality: string | null): void {
    this.engine?.choose(quality);
  }

  toLive(): void {
    this.rewound = false;
    this.engine?.toLive();
    this.play();
  }

  /** Goes back by so many seconds, as far as there is something, and stays that far behind. */
  back(seconds: number): void {
    const { seekable, currentTime } = this.video;
    if (seekable.length === 0) return;
    this.rewound = true;
    this.video.currentTime = Math.max(seekable.start(0) + EDGE_S, currentTime - seconds);
  }

  private feed(input: Input): void {
    const { state, effects } = step(this.state, input);
    this.judgeWait(state);
    const changed = state.phase !== this.state.phase || this.state === initial;
    this.state = state;
    if (changed) this.emit("phase", state.phase);
    for (const effect of effects) this.carryOut(effect);
  }

  private judgeWait(next: State): void {
    const { stalled, shown } = this.state;
    if (next.stalled) this.excused = (stalled && this.excused) || next.quiet || this.video.seeking;
    else if (stalled && shown && next.running && !this.excused) {
      this.cushion.stalled(performance.now());
    }
  }

  private carryOut(effect: Effect): void {
    switch (effect.type) {
      case "start":
        this.start();
        break;
      case "stop":
        this.stop();
        break;
      case "ask":
        clearTimeout(this.asking);
        this.asking = setTimeout(
          () => void this.ask(),
          effect.after * (1 + Math.random() * SPREAD),
        );
    }
  }

  private async ask(): Promise<void> {
    const live = await this.isLive();
    if (!this.closed.signal.aborted) this.feed({ type: "answered", live });
  }

  private start(): void {
    this.stop();
    this.lastTime = 0;
    this.excused = false;
    this.rewound = false;
    const engine = this.makeEngine(this.video, this.channel, (event) => {
      if (this.engine === engine) this.heard(event);
    });
    this.engine = engine;
    // Tells of the first frame at once; `timeupdate` comes up to a quarter of a second later.
    this.awaitFrame(engine);
    engine.start();
  }

  private awaitFrame(engine: Engine): void {
    const { video } = this;
    video.requestVideoFrameCallback?.(() => {
      if (this.engine !== engine) return;
      // A frame on the way to where the engine will begin is not shown for long.
      if (video.seeking || video.readyState < HAVE_CURRENT_DATA) this.awaitFrame(engine);
      else this.feed({ type: "moved" });
    });
  }

  private stop(): void {
    const { engine } = this;
    this.engine = null;
    engine?.destroy();
    this.video.playbackRate = 1;
    this.emit("latency", null);
    this.emit("late", false);
  }

  private heard(event: EngineEvent): void {
    switch (event.type) {
      case "qualities":
        this.emit("qualities", event);
        break;
      case "clock":
        this.clock.add(event.reading);
        break;
      case "unanswered":
        // Once there is something to see, the time since the stream last grew tells better.
        if (!this.engine?.progress()) this.feed({ type: "quiet", quiet: true });
        break;
      default:
        this.feed(event);
        if (event.type === "broken" || event.type === "closed") this.emit("broken", true);
    }
  }

  private play(): void {
    if (!this.video.paused) return;
    this.video.play().then(
      () => this.emit("blocked", false),
      (error: unknown) => {
        const refused = error instanceof DOMException && error.name === "NotAllowedError";
        if (refused) this.emit("blocked", true);
      },
    );
  }

  private resumed(): void {
    this.emit("blocked", false);
    const progress = this.engine?.progress();
    const late = progress && progress.behind - progress.target > RESUME_BEHIND_S;
    if (late && !this.rewound) this.engine?.toLive();
  }

  private moved(): void {
    const { currentTime, seeking, readyState } = this.video;
    // The time changes also when an engine goes to where it will begin.
    if (readyState < HAVE_CURRENT_DATA) return;
    if (this.engine?.watches || seeking || currentTime === this.lastTime) return;
    this.lastTime = currentTime;
    this.movedAt = performance.now();
    this.feed({ type: "moved" });
  }

  private inspect(): void {
    const progress = this.engine?.progress();
    if (!progress) return;
    const quiet = progress.quiet > progress.growsWithin;
    if (quiet !== this.state.quiet) this.feed({ type: "quiet", quiet });
    const still = performance.now() - this.movedAt;
    if (this.state.complete && this.state.stalled && still > DRAINED_AFTER_MS) {
      this.feed({ type: "drained" });
    }
    const stuck = this.state.stalled && this.state.shown && still > STUCK_AFTER_MS;
    if (stuck && !quiet && !this.state.complete && !this.video.paused) {
      this.movedAt = performance.now();
      this.rewound = false;
      this.engine?.toLive();
    }
    if (!this.video.paused && !this.state.complete && !this.rewound) this.keepPace(progress);
    this.emit("late", progress.behind - progress.target > RESUME_BEHIND_S);
    this.emit("latency", this.latency(progress));
  }

  private keepPace(progress: Progress): void {
    const next = pace(progress, this.cushion.seconds(performance.now()));
    if (next === "jump") this.engine?.toLive();
    else if (this.video.playbackRate !== next.rate) this.video.playbackRate = next.rate;
  }

  private latency({ receivedAt, delay = null }: Progress): Latency | null {
    if (delay !== null) return { seconds: delay, uncertainty: MEASURED_WITHIN_S };
    const offset = this.clock.offset();
    if (receivedAt === null || !offset || offset.uncertainty > CLOCK_GOOD_MS) return null;
    const serverNow = performance.timeOrigin + performance.now() + offset.value;
    return {
      seconds: Math.max(0, (serverNow - receivedAt) / 1_000),
      uncertainty: offset.uncertainty / 1_000,
    };
  }

  private emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as Listener<K>)(value);
  }
}
