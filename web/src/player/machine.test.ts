import { expect, test } from "vitest";

import { ASK_EVERY_MS, initial, step, type Effect, type Input, type Phase } from "./machine";

const opened: Input = { type: "opened" };
const found = (session: string): Input => ({ type: "found", session });
const moved: Input = { type: "moved" };
const stalled: Input = { type: "stalled" };
const quiet: Input = { type: "quiet", quiet: true };
const grows: Input = { type: "quiet", quiet: false };
const complete: Input = { type: "complete" };
const drained: Input = { type: "drained" };
const broken: Input = { type: "broken" };
const missing: Input = { type: "missing" };
const answered = (live: boolean | null): Input => ({ type: "answered", live });

/** Feeds all inputs; expects the last phase and the effects of the last input, written as words. */
function check(inputs: Input[], phase: Phase, effects: string): void {
  let state = initial;
  let last: Effect[] = [];
  for (const input of inputs) ({ state, effects: last } = step(state, input));
  const words = last.map((effect) => (effect.type === "ask" ? `ask ${effect.after}` : effect.type));
  expect([state.phase, words.join(", ")]).toEqual([phase, effects]);
}

const ask = `ask ${ASK_EVERY_MS}`;
const watching = [opened, found("a"), moved];

test("opening asks for the stream before anything is known of it", () => {
  check([opened], "connecting", "start");
});

test("the first frame makes it live", () => {
  check(watching, "live", "");
});

test("no such stream is offline, and asked for again", () => {
  check([opened, missing], "offline", `stop, ${ask}`);
  check([opened, missing, answered(false)], "offline", ask);
});

test("an offline page starts by itself when the channel goes live", () => {
  check([opened, missing, answered(true)], "offline", "start");
  check([opened, missing, answered(true), found("a")], "connecting", "");
  check([opened, missing, answered(true), found("a"), moved], "live", "");
});

test("a viewer without data buffers while the stream grows", () => {
  check([...watching, stalled], "buffering", "");
  check([...watching, stalled, moved], "live", "");
});

test("a silent publisher shows nothing while there are frames left", () => {
  check([...watching, quiet], "live", "");
  check([...watching, quiet, grows], "live", "");
});

test("a silent publisher whose last frame was shown is reconnecting until it moves again", () => {
  check([...watching, quiet, stalled], "reconnecting", "");
  check([...watching, stalled, quiet], "reconnecting", "");
  check([...watching, stalled, quiet, grows, moved], "live", "");
});

test("a stream that is complete plays to its last frame, then ends", () => {
  check([...watching, complete], "live", "");
  check([...watching, complete, drained], "ended", `stop, ${ask}`);
});

test("waiting for nothing more keeps what is shown until the end is certain", () => {
  check([...watching, complete, stalled], "live", "");
  check([...watching, quiet, stalled, complete, grows], "reconnecting", "");
});

test("a video that ends before its stream does is not over", () => {
  check([...watching, drained], "live", "");
});

test("a page opened on a stream that is over does not show its end", () => {
  check([opened, found("a"), complete], "ended", `stop, ${ask}`);
});

test("the next publish is followed, the ended one is not shown again", () => {
  const over = [...watching, complete, drained, answered(true)];
  check(over, "ended", "start");
  check([...over, found("a")], "ended", `stop, ${ask}`);
  check([...over, found("b"), moved], "live", "");
});

test("an ended stream stays ended when the server forgets it", () => {
  check([...watching, complete, drained, answered(false)], "ended", ask);
  check([...watching, complete, drained, answered(true), missing], "ended", `stop, ${ask}`);
});

test("a broken engine is replaced, ever more slowly", () => {
  check([...watching, broken], "reconnecting", "stop, ask 500");
  check([...watching, broken, answered(true), broken], "reconnecting", "stop, ask 1000");
  check([...watching, broken, answered(true)], "reconnecting", "start");
});

test("no answer tells nothing: it goes on asking and shows what it showed", () => {
  check([...watching, broken, answered(null)], "reconnecting", ask);
  check([...watching, broken, answered(false)], "offline", ask);
});

test("a server that is full is asked again when it says", () => {
  check([opened, { type: "broken", after: 20_000 }], "reconnecting", "stop, ask 20000");
  check([opened, { type: "broken", after: 3_600_000 }], "reconnecting", "stop, ask 60000");
});

test("what the far end ended is over if the API says so, and goes on otherwise", () => {
  const closed: Input = { type: "closed" };
  check([...watching, closed], "reconnecting", "stop, ask 500");
  check([...watching, closed, answered(false)], "ended", ask);
  check([...watching, closed, answered(true)], "reconnecting", "start");
  check([...watching, closed, answered(true), missing], "ended", `stop, ${ask}`);
  check([opened, found("a"), closed, answered(false)], "offline", ask);
});

test("a codec the browser lacks is said once", () => {
  check([opened, found("a"), { type: "unsupported" }], "unsupported", "stop");
});

test("what a stopped engine still says changes nothing", () => {
  check([opened, missing, moved, stalled, found("a"), broken], "offline", "");
});
