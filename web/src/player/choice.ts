/**
 * Which way the pictures come, as a value: real time (WebRTC) where it works, else LL-HLS, and back again.
 *
 * Each way has a player of its own, which lives through what its channel does and tells its phase. One of them is shown;
 * the other, if there is one, is on trial behind it and takes over with a picture. Like `machine.ts` this has no clock
 * and no video element; `Switcher` feeds it and carries the effects out.
 */
import type { Phase } from "./machine";

export type Way = "whep" | "hls";
/** What the viewer asked for. */
export type Wish = "auto" | Way;

export interface State {
  wish: Wish;
  /** This browser and this server know WHEP. */
  able: boolean;
  /** What the player of each way tells; null while there is none. */
  phases: Record<Way, Phase | null>;
  shown: Way;
  /** The viewer went back in time, which only LL-HLS can. */
  rewound: boolean;
  /** Real time was wanted and could not be had. */
  fallen: boolean;
  /** Trials of WHEP that failed one after another. */
  failures: number;
  /** How long the way that is wanted is being waited for, in milliseconds; null while it is not. */
  patience: number | null;
}

export type Timer =
  /** The way that is wanted should have a picture by now. */
  | "patience"
  /** WHEP may be tried again. */
  | "retry"
  /** WHEP has played for so long that its earlier failures say nothing any more. */
  | "settled";

export type Input =
  | { type: "opened"; wish: Wish; able: boolean }
  | { type: "wished"; wish: Wish }
  | { type: "able"; able: boolean }
  | { type: "phase"; way: Way; phase: Phase }
  /** The engine of a way broke, or was closed by its far end; its player tries another. */
  | { type: "broken"; way: Way }
  /** WHEP knows no such stream although the channel is live. */
  | { type: "refused" }
  /** The viewer went back in time, or returned to the live edge. */
  | { type: "rewound" }
  | { type: "returned" }
  | { type: "due"; timer: Timer };

export type Effect =
  | { type: "open"; way: Way }
  | { type: "close"; way: Way }
  /** Put this way's picture in front, with sound and all. */
  | { type: "show"; way: Way }
  /** Give `due` after so many milliseconds, instead of what this timer waited for. */
  | { type: "wait"; timer: Timer; after: number }
  | { type: "forget"; timer: Timer };

export interface Step {
  state: State;
  effects: Effect[];
}

/** Without a first picture over WHEP for this long, LL-HLS is started beside it. In milliseconds. */
export const FIRST_PICTURE_MS = 2_000;
/** The same for a picture that stands still. A silent publisher is known as such before, and then LL-HLS has no more. */
const STILL_MS = 2_500;
/** The same once it is known that the line is to blame: time for ICE to start anew. */
const DEAD_MS = 500;
/** The same for a publisher that is silent: by then the fault may be WHEP's after all. */
const SILENT_MS = 10_000;
/** A way that is tried behind the one that is shown has this long, in milliseconds. */
const TRIAL_MS = 5_000;
/** Before WHEP is tried again, in milliseconds; doubles up to the longest. */
export const RETRY_MS = 10_000;
const RETRY_LONGEST_MS = 300_000;
/** WHEP that plays for this long works. */
const SETTLED_MS = 60_000;

export const initial: State = {
  wish: "auto",
  able: false,
  phases: { whep: null, hls: null },
  shown: "hls",
  rewound: false,
  fallen: false,
  failures: 0,
  patience: null,
};

/** The way that should be shown if it works. */
export function wanted({ wish, able, rewound }: State): Way {
  return wish === "hls" || rewound || !able ? "hls" : "whep";
}

export function step(state: State, input: Input): Step {
  const next = new Next(state);
  switch (input.type) {
    case "opened":
      next.begin(input.wish, input.able);
      break;
    case "wished":
      if (input.wish !== state.wish) next.turn({ wish: input.wish, rewound: false });
      break;
    case "able":
      if (input.able !== state.able) next.turn({ able: input.able });
      break;
    case "rewound":
      if (!state.rewound) next.turn({ rewound: true });
      break;
    case "returned":
      if (state.rewound) next.turn({ rewound: false });
      break;
    case "refused":
      if (state.phases.whep !== null && next.mayFall()) next.fall();
      break;
    case "broken":
      if (input.way === "whep" && state.shown === "whep" && next.mayFall()) {
        next.arm(FIRST_PICTURE_MS);
      }
      break;
    case "phase":
      // What a player that was closed still had to say.
      if (state.phases[input.way] !== null) next.hear(input.way, input.phase);
      break;
    case "due":
      next.due(input.timer);
  }
  return { state: next.state, effects: next.effects };
}

/** A state under change, and what is to be done about it. */
class Next {
  readonly effects: Effect[] = [];

  constructor(public state: State) {}

  begin(wish: Wish, able: boolean): void {
    this.set({ ...initial, wish, able });
    this.open(wanted(this.state));
    this.show(wanted(this.state));
    if (this.mayFall()) this.arm(FIRST_PICTURE_MS);
  }

  /** The viewer or the server changed what is possible or wanted. */
  turn(change: Partial<State>): void {
    const before = wanted(this.state);
    this.set({ ...change, failures: 0, fallen: false });
    const way = wanted(this.state);
    const { shown, phases } = this.state;
    this.disarm();
    this.effects.push({ type: "forget", timer: "retry" });
    if (shown === way) {
      if (phases[other(way)] !== null) this.close(other(way));
      if (phases[way] !== "live" && this.mayFall() && before !== way) this.arm(FIRST_PICTURE_MS);
      return;
    }
    if (phases[way] === null) this.open(way);
    // A picture stays until the other one is there; words need not.
    if (phases[way] === "live" || !hasPicture(phases[shown])) this.take(way);
    else this.arm(TRIAL_MS);
  }

  hear(way: Way, phase: Phase): void {
    const before = this.state.phases[way];
    this.set({ phases: { ...this.state.phases, [way]: phase } });
    if (way !== wanted(this.state)) this.hearStandIn(phase);
    else if (way === this.state.shown) this.hearShown(way, phase, before);
    else this.hearTrial(way, phase);
  }

  due(timer: Timer): void {
    const { state } = this;
    const way = wanted(state);
    if (timer === "settled") return this.set({ failures: 0 });
    if (timer === "retry") return this.retry();
    if (state.patience === null) return;
    this.set({ patience: null });
    if (state.shown !== way) {
      if (this.mayFall()) this.giveUpTrial();
      else this.take(way);
    } else if (this.mayFall() && state.phases.hls === null) {
      this.open("hls");
    }
  }

  /** Whether LL-HLS may stand in for WHEP. */
  mayFall(): boolean {
    return this.state.wish === "auto" && wanted(this.state) === "whep";
  }

  /** LL-HLS takes over; WHEP gets another trial later. */
  fall(): void {
    if (this.state.phases.hls === null) this.open("hls");
    if (this.state.shown !== "hls") this.show("hls");
    this.giveUpTrial();
  }

  arm(after: number): void {
    const { patience } = this.state;
    if (patience !== null && patience <= after) return;
    this.set({ patience: after });
    this.effects.push({ type: "wait", timer: "patience", after });
  }

  /** The shown way is the wanted one. */
  private hearShown(way: Way, phase: Phase, before: Phase | null): void {
    if (phase === "live" || phase === "offline" || phase === "ended") {
      this.disarm();
      if (this.state.phases[other(way)] !== null) this.close(other(way));
      if (phase === "live" && way === "whep") this.settle();
    } else if (this.mayFall()) {
      if (phase === "unsupported") this.fall();
      else if (phase === "connecting") this.arm(FIRST_PICTURE_MS);
      else if (phase === "buffering") this.arm(before === "reconnecting" ? DEAD_MS : STILL_MS);
      else if (this.state.phases.hls === null) {
        // A still picture is explained now; a broken engine says so after this.
        this.disarm();
        this.arm(SILENT_MS);
      }
    }
  }

  /** The wanted way is tried behind the shown one. */
  private hearTrial(way: Way, phase: Phase): void {
    if (phase === "live") this.take(way);
    else if (phase === "connecting" || phase === "buffering") return;
    else if (this.mayFall()) this.giveUpTrial();
    else if (phase !== "reconnecting") this.take(way);
  }

  /** LL-HLS stands in for a wanted WHEP, or is about to. */
  private hearStandIn(phase: Phase): void {
    const { shown, phases } = this.state;
    if (shown === "whep" && phase === "live" && phases.whep !== "live" && this.mayFall())
      this.fall();
  }

  private take(way: Way): void {
    this.disarm();
    this.set({ fallen: false });
    this.show(way);
    if (this.state.phases[other(way)] !== null) this.close(other(way));
    if (way === "whep" && this.state.phases.whep === "live") this.settle();
  }

  private giveUpTrial(): void {
    const { failures, phases } = this.state;
    this.disarm();
    if (phases.whep !== null) this.close("whep");
    const after = Math.min(RETRY_LONGEST_MS, RETRY_MS * 2 ** failures);
    this.set({ failures: failures + 1, fallen: true });
    this.effects.push(
      { type: "forget", timer: "settled" },
      { type: "wait", timer: "retry", after },
    );
  }

  private retry(): void {
    if (!this.mayFall() || this.state.phases.whep !== null) return;
    if (this.state.phases.hls === "live") {
      this.open("whep");
      this.arm(TRIAL_MS);
    } else {
      this.effects.push({ type: "wait", timer: "retry", after: RETRY_MS });
    }
  }

  private settle(): void {
    this.effects.push({ type: "wait", timer: "settled", after: SETTLED_MS });
  }

  private disarm(): void {
    if (this.state.patience === null) return;
    this.set({ patience: null });
    this.effects.push({ type: "forget", timer: "patience" });
  }

  private open(way: Way): void {
    this.set({ phases: { ...this.state.phases, [way]: "connecting" } });
    this.effects.push({ type: "open", way });
  }

  private close(way: Way): void {
    this.set({ phases: { ...this.state.phases, [way]: null } });
    this.effects.push({ type: "close", way });
  }

  private show(way: Way): void {
    this.set({ shown: way });
    this.effects.push({ type: "show", way });
  }

  private set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
  }
}

const other = (way: Way): Way => (way === "whep" ? "hls" : "whep");

const hasPicture = (phase: Phase | null): boolean =>
  phase === "live" || phase === "buffering" || phase === "reconnecting";
