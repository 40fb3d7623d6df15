import { expect, test } from "vitest";

import {
  FIRST_PICTURE_MS,
  initial,
  RETRY_MS,
  step,
  type Effect,
  type Input,
  type State,
  type Way,
} from "./choice";
import type { Phase } from "./machine";

const opened: Input = { type: "opened", wish: "auto", able: true };
const unable: Input = { type: "opened", wish: "auto", able: false };
const forced = (wish: Way): Input => ({ type: "opened", wish, able: true });
const wished = (wish: State["wish"]): Input => ({ type: "wished", wish });
const whep = (phase: Phase): Input => ({ type: "phase", way: "whep", phase });
const hls = (phase: Phase): Input => ({ type: "phase", way: "hls", phase });
const patience: Input = { type: "due", timer: "patience" };
const retry: Input = { type: "due", timer: "retry" };
const broken: Input = { type: "broken", way: "whep" };

function run(inputs: Input[]): { state: State; effects: Effect[] } {
  let state = initial;
  let effects: Effect[] = [];
  for (const input of inputs) ({ state, effects } = step(state, input));
  return { state, effects };
}

/** Feeds all inputs; expects the effects of the last one, as words. */
function check(inputs: Input[], expected: string): void {
  const words = run(inputs).effects.map((effect) => {
    if (effect.type === "wait") return `${effect.timer} in ${effect.after / 1_000}`;
    return `${effect.type} ${effect.type === "forget" ? effect.timer : effect.way}`;
  });
  expect(words.join(", ")).toBe(expected);
}

/** LL-HLS stands in because WHEP had no picture in time. */
const fallen = [opened, patience, hls("live")];

test("real time is tried first, for two seconds alone", () => {
  check([opened], `open whep, show whep, patience in ${FIRST_PICTURE_MS / 1_000}`);
  check([opened, whep("live")], "forget patience, settled in 60");
  check([opened, patience], "open hls");
});

test("whichever has a picture first is shown, and the other closed", () => {
  check([opened, patience, whep("live")], "close hls, settled in 60");
  check(
    [opened, patience, hls("live")],
    `show hls, close whep, forget settled, retry in ${RETRY_MS / 1_000}`,
  );
  expect(run(fallen).state.fallen).toBe(true);
});

test("where WHEP cannot be, LL-HLS is alone and nothing is retried", () => {
  check([unable], "open hls, show hls");
  check([unable, hls("live")], "");
  check([unable, hls("live"), retry], "");
});

test("a server that turns out to have no WHEP gets LL-HLS at once", () => {
  check(
    [opened, { type: "able", able: false }],
    "forget patience, forget retry, open hls, show hls, close whep",
  );
});

test("a stream that WHEP cannot carry is played over LL-HLS at once", () => {
  check(
    [opened, whep("unsupported")],
    "open hls, show hls, forget patience, close whep, forget settled, retry in 10",
  );
  check(
    [opened, { type: "refused" }],
    "open hls, show hls, forget patience, close whep, forget settled, retry in 10",
  );
});

test("WHEP gets another trial behind a picture, and takes over with one", () => {
  check([...fallen, retry], "open whep, patience in 5");
  check([...fallen, retry, whep("live")], "forget patience, show whep, close hls, settled in 60");
  expect(run([...fallen, retry, whep("live")]).state.fallen).toBe(false);
});

test("trials that fail are made ever more seldom", () => {
  check([...fallen, retry, patience], "close whep, forget settled, retry in 20");
  check(
    [...fallen, retry, whep("reconnecting")],
    "forget patience, close whep, forget settled, retry in 20",
  );
  check([...fallen, retry, patience, retry, patience], "close whep, forget settled, retry in 40");
  const settled: Input = { type: "due", timer: "settled" };
  check(
    [...fallen, retry, whep("live"), settled, whep("buffering"), patience, hls("live")],
    "show hls, close whep, forget settled, retry in 10",
  );
});

test("no trial is made while there is no picture to try behind", () => {
  check([...fallen, hls("ended"), retry], "retry in 10");
});

test("a picture that stands still brings LL-HLS; one that moves on does not", () => {
  check([opened, whep("live"), whep("buffering")], "patience in 2.5");
  check([opened, whep("live"), whep("buffering"), whep("live")], "forget patience, settled in 60");
  check([opened, whep("live"), whep("buffering"), patience], "open hls");
});

test("a silent publisher is waited for; a broken engine is not", () => {
  const silent = [opened, whep("live"), whep("buffering"), whep("reconnecting")];
  check(silent, "forget patience, patience in 10");
  check([...silent, broken], "patience in 2");
  check([...silent, broken, broken], "");
});

test("silence that turns out to be the line's fault is not waited out", () => {
  const silent = [opened, whep("live"), whep("buffering"), whep("reconnecting")];
  check([...silent, whep("buffering")], "patience in 0.5");
});

test("a channel that is not live is waited for over WHEP alone", () => {
  check([opened, whep("offline")], "forget patience");
  check([opened, whep("offline"), whep("connecting")], "patience in 2");
  check([opened, patience, whep("offline")], "close hls");
});

test("a forced way is opened and no other tried", () => {
  check([forced("hls")], "open hls, show hls");
  check([forced("whep")], "open whep, show whep");
  check([forced("whep"), whep("unsupported")], "");
  check([forced("whep"), whep("buffering"), broken, patience], "");
});

test("a wish keeps the picture until the other one is there", () => {
  check([opened, whep("live"), wished("hls")], "forget retry, open hls, patience in 5");
  check(
    [opened, whep("live"), wished("hls"), hls("live")],
    "forget patience, show hls, close whep",
  );
  check(
    [...fallen, wished("whep"), whep("live")],
    "forget patience, show whep, close hls, settled in 60",
  );
});

test("a wish that cannot be had is shown as what it is", () => {
  check([opened, whep("live"), wished("hls"), patience], "show hls, close whep");
  check([...fallen, wished("whep"), whep("unsupported")], "forget patience, show whep, close hls");
});

test("without a picture a wish is followed at once", () => {
  check([opened, whep("offline"), wished("hls")], "forget retry, open hls, show hls, close whep");
});

test("going back in time takes LL-HLS, returning takes real time again", () => {
  const back: Input = { type: "rewound" };
  const rewound = [opened, whep("live"), back];
  check(rewound, "forget retry, open hls, patience in 5");
  check([...rewound, hls("live")], "forget patience, show hls, close whep");
  check([...rewound, hls("live"), { type: "returned" }], "forget retry, open whep, patience in 5");
  check([...rewound, hls("live"), back], "");
});

test("what a closed player still says changes nothing", () => {
  check([opened, hls("live")], "");
  check([...fallen, whep("live")], "");
});
