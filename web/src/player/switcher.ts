import {
  initial,
  step,
  type Effect,
  type Input,
  type State,
  type Timer,
  type Way,
  type Wish,
} from "./choice";
import type { EngineFactory } from "./engine";
import { LivePlayer, type Events } from "./live-player";

/** How far each trial of WHEP may be put off beyond its time, as a share of it: a server that restarts is not met by all at once. */
const SPREAD = 0.3;
/** Answers that a channel is live while WHEP has no such stream, before it is believed that WHEP never will. */
const REFUSALS = 2;

/** What is shown, and why. */
export interface Choice {
  shown: Way;
  wish: Wish;
  able: boolean;
  /** Real time was wanted and could not be had. */
  fallen: boolean;
}

/** What the page hears: of the player that is shown, and of the choice. */
export type SwitcherEvents = Omit<Events, "broken"> & { choice: Choice };

type Listener<K extends keyof SwitcherEvents> = (value: SwitcherEvents[K]) => void;

const SILENT: Omit<SwitcherEvents, "choice"> = {
  phase: "connecting",
  qualities: { qualities: [], chosen: null, playing: null },
  latency: null,
  late: false,
  blocked: false,
};

/** A way's player and what it told last, for when it is shown. */
interface Running {
  player: LivePlayer;
  told: Omit<SwitcherEvents, "choice">;
}

/** Plays one channel, the way that works best: a video element and a player for each way, one of them in front. */
export class Switcher {
  private state: State = initial;
  private readonly running: Record<Way, Running | null> = { whep: null, hls: null };
  private readonly timers = new Map<Timer, ReturnType<typeof setTimeout>>();
  private readonly listeners = new Map<keyof SwitcherEvents, Set<(value: never) => void>>();
  /** Seconds to go back once LL-HLS is in front. */
  private goBack = 0;
  private refusals = 0;

  constructor(
    private readonly videos: Record<Way, HTMLVideoElement>,
    private readonly channel: string,
    private readonly engines: Record<Way, EngineFactory>,
    /** Whether the channel is live; null when nobody answers. */
    private readonly isLive: () => Promise<boolean | null>,
    /** Puts a way's video element in front. */
    private readonly bringForward: (way: Way) => void,
  ) {}

  on<K extends keyof SwitcherEvents>(name: K, listener: Listener<K>): void {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(listener as (value: never) => void));
  }

  open(wish: Wish, able: boolean): void {
    this.feed({ type: "opened", wish, able });
  }

  close(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (const way of ["whep", "hls"] as const) this.end(way);
    this.listeners.clear();
  }

  wish(wish: Wish): void {
    this.goBack = 0;
    this.feed({ type: "wished", wish });
  }

  /** The server has WHEP for this channel, or has not. */
  able(able: boolean): void {
    this.feed({ type: "able", able });
  }

  choose(quality: string | null): void {
    this.front?.player.choose(quality);
  }

  toLive(): void {
    this.goBack = 0;
    this.front?.player.toLive();
    this.feed({ type: "returned" });
  }

  /** Goes back in time, over LL-HLS. */
  back(seconds: number): void {
    if (this.state.shown === "hls") this.front?.player.back(seconds);
    else this.goBack += seconds;
    this.feed({ type: "rewound" });
  }

  private get front(): Running | null {
    return this.running[this.state.shown];
  }

  private feed(input: Input): void {
    const { state, effects } = step(this.state, input);
    this.state = state;
    for (const effect of effects) this.carryOut(effect);
    const { shown, wish, able, fallen } = state;
    this.emit("choice", { shown, wish, able, fallen });
  }

  private carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        this.start(effect.way);
        break;
      case "close":
        this.end(effect.way);
        break;
      case "show":
        this.show(effect.way);
        break;
      case "wait":
        this.wait(effect.timer, effect.after);
        break;
      case "forget":
        clearTimeout(this.timers.get(effect.timer));
    }
  }

  private wait(timer: Timer, after: number): void {
    const spread = timer === "retry" ? 1 + Math.random() * SPREAD : 1;
    const due = (): void => {
      // Nobody looks, or a window of its own shows this very video element.
      const later = timer === "retry" && (document.hidden || !!document.pictureInPictureElement);
      if (later) this.wait(timer, after);
      else this.feed({ type: "due", timer });
    };
    clearTimeout(this.timers.get(timer));
    this.timers.set(timer, setTimeout(due, after * spread));
  }

  private start(way: Way): void {
    const isLive = way === "whep" ? () => this.isLiveOverWhep() : this.isLive;
    const player = new LivePlayer(this.videos[way], this.channel, this.engines[way], isLive);
    const running: Running = { player, told: { ...SILENT } };
    this.running[way] = running;
    const tell = <K extends keyof typeof SILENT>(name: K, value: SwitcherEvents[K]): void => {
      if (this.running[way] !== running) return;
      running.told = { ...running.told, [name]: value };
      if (this.state.shown === way) this.emit(name, value);
    };
    player.on("qualities", (value) => tell("qualities", value));
    player.on("latency", (value) => tell("latency", value));
    player.on("late", (value) => tell("late", value));
    player.on("blocked", (value) => tell("blocked", value));
    player.on("phase", (phase) => {
      tell("phase", phase);
      if (phase === "live") this.refusals = 0;
      if (this.running[way] === running) this.feed({ type: "phase", way, phase });
    });
    player.on("broken", () => {
      if (this.running[way] === running) this.feed({ type: "broken", way });
    });
    player.open();
  }

  private end(way: Way): void {
    const running = this.running[way];
    this.running[way] = null;
    running?.player.close();
  }

  /** Its picture comes in front with the sound as the viewer set it. */
  private show(way: Way): void {
    const [after, before] = [this.videos[way], this.videos[way === "whep" ? "hls" : "whep"]];
    if (after.volume !== before.volume) after.volume = before.volume;
    if (!before.muted) {
      after.muted = false;
      before.muted = true;
    }
    if (before.paused && before.readyState > 0) after.pause();
    else if (!after.muted && after.readyState > 0) play(after);
    this.bringForward(way);
    const running = this.running[way];
    if (!running) return;
    for (const name of Object.keys(SILENT) as (keyof typeof SILENT)[]) {
      this.emit(name, running.told[name]);
    }
    if (way === "hls" && this.goBack > 0) {
      running.player.back(this.goBack);
      this.goBack = 0;
    }
  }

  private async isLiveOverWhep(): Promise<boolean | null> {
    const live = await this.isLive();
    // It has just said that there is no stream, or it would not ask.
    const missing = this.running.whep?.told.phase === "offline";
    this.refusals = live && missing ? this.refusals + 1 : 0;
    if (this.refusals >= REFUSALS) {
      this.refusals = 0;
      this.feed({ type: "refused" });
    }
    return live;
  }

  private emit<K extends keyof SwitcherEvents>(name: K, value: SwitcherEvents[K]): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as Listener<K>)(value);
  }
}

/** Goes on with sound, or without it where the browser wants a click for that. */
function play(video: HTMLVideoElement): void {
  video.play().catch(() => {
    video.muted = true;
    video.play().catch(() => {});
  });
}
