/**
 * What the player shows and does next, as a value: inputs go in, the next state and effects come out.
 * It has no clock, no timer and no video element; `LivePlayer` feeds it and carries the effects out.
 */

export type Phase =
  /** Asked for, nothing heard yet. */
  | "connecting"
  /** Pictures move. */
  | "live"
  /** The stream goes on, this viewer waits for data. */
  | "buffering"
  /** The publisher or the network is silent; what there was has been shown. */
  | "reconnecting"
  /** Nobody streams here. */
  | "offline"
  /** The stream that was shown is over. */
  | "ended"
  /** This browser cannot decode it. */
  | "unsupported";

export interface State {
  phase: Phase;
  /** An engine runs. */
  running: boolean;
  /** The publish being shown. */
  session: string | null;
  /** The last publish that is known to be over: it is still served for a while, and must not be shown again. */
  over: string | null;
  /** The running engine showed a frame. */
  shown: boolean;
  /** The video waits for data. */
  stalled: boolean;
  /** The stream stopped growing. */
  quiet: boolean;
  /** The engine has everything there will be. */
  complete: boolean;
  /** Engines that broke one after another without a frame between. */
  failures: number;
  /** The far end ended what was shown; the API tells whether that was the stream's end. */
  closed: boolean;
}

export type Input =
  | { type: "opened" }
  | { type: "found"; session: string }
  | { type: "missing" }
  | { type: "complete" }
  | { type: "broken"; after?: number }
  | { type: "closed" }
  | { type: "unsupported" }
  /** A frame was shown. */
  | { type: "moved" }
  /** The video waits for data. */
  | { type: "stalled" }
  /** The last frame of a complete stream was shown. */
  | { type: "drained" }
  /** The stream stopped growing, or grows again. */
  | { type: "quiet"; quiet: boolean }
  /** The API was asked whether the channel is live; null when it gave no answer. */
  | { type: "answered"; live: boolean | null };

export type Effect =
  | { type: "start" }
  | { type: "stop" }
  /** Ask the API after this many milliseconds whether the channel is live. */
  | { type: "ask"; after: number };

export interface Step {
  state: State;
  effects: Effect[];
}

/** Between two questions of a page that waits for the stream, in milliseconds. */
export const ASK_EVERY_MS = 3_000;
/** Longest that a server can put the next question off, in milliseconds. */
const ASK_LATEST_MS = 60_000;
/** Before the first question after an engine broke, in milliseconds; doubles up to `ASK_EVERY_MS`. */
const FIRST_RETRY_MS = 500;

export const initial: State = {
  phase: "connecting",
  running: false,
  session: null,
  over: null,
  shown: false,
  stalled: false,
  quiet: false,
  complete: false,
  failures: 0,
  closed: false,
};

export function step(state: State, input: Input): Step {
  switch (input.type) {
    case "opened":
      return start({ ...initial });
    case "answered":
      return answered(state, input.live);
  }
  // What a stopped engine or its video still had to say.
  if (!state.running) return { state, effects: [] };

  switch (input.type) {
    case "found":
      return found(state, input.session);
    case "missing":
      return stop({ ...state, phase: gone(state) }, ASK_EVERY_MS);
    case "complete":
      // Opened on a stream that is over already: its end is not worth showing.
      return state.shown ? show({ ...state, complete: true }) : over(state);
    case "drained":
      return state.complete ? over(state) : { state, effects: [] };
    case "broken":
      return broken(state, input.after);
    case "closed":
      return broken({ ...state, closed: state.shown });
    case "unsupported":
      return stop({ ...state, phase: "unsupported" }, null);
    case "moved":
      return show({ ...state, shown: true, stalled: false, failures: 0, closed: false });
    case "stalled":
      return show({ ...state, stalled: true });
    case "quiet":
      return show({ ...state, quiet: input.quiet });
  }
}

function start(state: State): Step {
  const fresh = { running: true, shown: false, stalled: false, quiet: false, complete: false };
  return { state: { ...state, ...fresh }, effects: [{ type: "start" }] };
}

function stop(state: State, askAfter: number | null): Step {
  const effects: Effect[] = [{ type: "stop" }];
  if (askAfter !== null) effects.push({ type: "ask", after: askAfter });
  return { state: { ...state, running: false }, effects };
}

function over(state: State): Step {
  return stop({ ...state, phase: "ended", over: state.session }, ASK_EVERY_MS);
}

function answered(state: State, live: boolean | null): Step {
  if (state.running) return { state, effects: [] };
  if (live === true) return start(state);
  const phase = live === false ? gone(state) : state.phase;
  return { state: { ...state, phase }, effects: [{ type: "ask", after: ASK_EVERY_MS }] };
}

/** What a channel without a stream is to someone who did, or did not, see it end. */
function gone({ phase, closed }: State): Phase {
  return phase === "ended" || closed ? "ended" : "offline";
}

function found(state: State, session: string): Step {
  if (session === state.over) return over({ ...state, session });
  const waited = state.phase === "offline" || state.phase === "ended";
  return { state: { ...state, session, phase: waited ? "connecting" : state.phase }, effects: [] };
}

function broken(state: State, notBefore = 0): Step {
  const failures = state.failures + 1;
  const soon = Math.min(ASK_EVERY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  const after = Math.max(soon, Math.min(notBefore, ASK_LATEST_MS));
  return stop({ ...state, failures, phase: "reconnecting" }, after);
}

/** Works the phase of a running engine out of what is known of it. */
function show(state: State): Step {
  let phase = state.phase;
  if (state.shown && !state.stalled) phase = "live";
  else if (state.shown && !state.complete) phase = state.quiet ? "reconnecting" : "buffering";
  else if (state.quiet && phase === "connecting") phase = "reconnecting";
  return { state: { ...state, phase }, effects: [] };
}
