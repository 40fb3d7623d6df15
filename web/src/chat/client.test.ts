import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { backoff } from "./backoff";
import { ChatClient, PENDING_MAX, roomUrl, type Socket } from "./client";

/** A server's end of a socket: what the client sent, and what it is told. */
class Line implements Socket {
  sent: Record<string, unknown>[] = [];
  closed = false;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  tell(...frames: object[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  said(type: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame["type"] === type);
  }
}

let lines: Line[] = [];
let told: unknown[] = [];
let tokens: boolean[] = [];

const line = (): Line => {
  const last = lines.at(-1);
  if (!last) throw new Error("nobody connected");
  return last;
};

beforeEach(() => {
  vi.useFakeTimers();
  [lines, told, tokens] = [[], [], []];
});
afterEach(() => void vi.useRealTimers());

const SETTINGS = { slow: 0, followers_only: null, unique: false };
const joined = (offset: number, more: object = {}): object => ({
  type: "joined",
  epoch: "e",
  offset,
  recovered: false,
  you: null,
  settings: SETTINGS,
  pinned: null,
  present: 1,
  ...more,
});
const message = (offset: number): object => ({
  type: "message",
  offset,
  id: `m${offset}`,
  text: "",
});

/** A client that has connected, and notes what it tells. */
async function client(): Promise<ChatClient> {
  const made = new ChatClient({
    url: "ws://x",
    token: async (anew) => {
      tokens.push(anew);
      return "t";
    },
    connect: () => {
      const made = new Line();
      lines.push(made);
      return made;
    },
    random: () => 0.5,
  });
  made.on("entry", (entry) => told.push(entry.offset));
  made.on("reset", () => told.push("reset"));
  made.on("refused", ({ code }) => told.push(code));
  made.open();
  await connected();
  return made;
}

/** Lets a client connect that is about to. */
async function connected(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  line().onopen?.();
}

test("a client joins with its token and tells the page that follows", async () => {
  await client();
  expect(line().sent).toEqual([
    { type: "join", token: "t", since: null, epoch: null, batch: true },
  ]);
  line().onmessage?.({ data: JSON.stringify([joined(7), message(5), message(6), message(7)]) });
  line().tell(message(8));
  expect(told).toEqual(["reset", 5, 6, 7, 8]);
});

test("after a break it resumes, and tells nothing twice", async () => {
  const room = await client();
  line().tell(joined(1), message(1), message(2));
  line().onclose?.();
  expect(room.state.at).toBe("waiting");
  await connected(1_000);
  expect(lines).toHaveLength(2);
  expect(line().sent[0]).toMatchObject({ since: 2, epoch: "e" });
  line().tell(joined(4, { recovered: true }), message(2), message(3), message(4), message(5));
  expect(told).toEqual(["reset", 1, 2, 3, 4, 5]);
});

test("what can no longer be brought begins anew", async () => {
  await client();
  line().tell(joined(1), message(1));
  line().onclose?.();
  await connected(1_000);
  line().tell(joined(900), message(899), message(900));
  expect(told).toEqual(["reset", 1, "reset", 899, 900]);
});

test("another epoch may go on where the last one was left", async () => {
  await client();
  line().tell(joined(5), message(5));
  line().onclose?.();
  await connected(1_000);
  line().tell(joined(6, { epoch: "f", recovered: true }), message(6));
  line().onclose?.();
  await connected(1_000);
  expect(line().sent[0]).toMatchObject({ since: 6, epoch: "f" });
  expect(told).toEqual(["reset", 5, 6]);
});

test("an epoch that begins within a connection is followed, from where all is as it was", async () => {
  const room = await client();
  const alone: boolean[] = [];
  room.on("alone", (value) => alone.push(value));
  room.on("rewound", (value) => told.push(value));
  line().tell(joined(2), message(1), message(2), message(3), message(4));
  const moved = { type: "epoch", epoch: "f", since: 2, offset: 5, alone: true };
  line().tell(moved, message(3), message(4), message(5), message(6));
  expect(told).toEqual(["reset", 1, 2, 3, 4, { since: 2, until: 5 }, 3, 4, 5, 6]);
  told = [];
  line().tell({ ...moved, epoch: "g", since: null, offset: 91, alone: false });
  line().tell(message(90), message(91), message(92));
  expect(told).toEqual(["reset", 90, 91, 92]);
  line().onclose?.();
  await connected(1_000);
  expect(line().sent[0]).toMatchObject({ since: 92, epoch: "g" });
  expect(alone).toEqual([false, true, false]);
});

test("what was acked in an epoch that is over is asked for again, by its id", async () => {
  const room = await client();
  line().tell(joined(2), message(1), message(2), message(3));
  const id = room.say("hello");
  line().tell({ type: "ack", id, offset: 5, message: "m" });
  line().tell({ type: "epoch", epoch: "f", since: 2, offset: 3, alone: false }, message(3));
  expect(room.pending).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(11_000);
  expect(
    line()
      .said("say")
      .map((said) => said["id"]),
  ).toEqual([id, id]);
  line().tell({ type: "ack", id, offset: 4, message: "m" }, message(4));
  expect(room.pending).toHaveLength(0);
});

test("a hole is not told; the next join asks for what is missing", async () => {
  const room = await client();
  line().tell(joined(1), message(1), message(3), message(4));
  expect(room.state.at).toBe("waiting");
  expect(line().closed).toBe(true);
  await connected(1_000);
  expect(line().sent[0]).toMatchObject({ since: 1, epoch: "e" });
  line().tell(joined(4, { recovered: true }), message(2), message(3), message(4));
  expect(told).toEqual(["reset", 1, 2, 3, 4]);
});

test("a room that shows no page still resumes from where one came", async () => {
  await client();
  line().tell(joined(7), { type: "presence", count: 2 });
  line().onclose?.();
  await connected(1_000);
  expect(line().sent[0]).toMatchObject({ since: 7, epoch: "e" });
});

test("the first message after an empty page must be the next", async () => {
  const room = await client();
  line().tell(joined(7), message(9));
  expect([room.state.at, told]).toEqual(["waiting", ["reset"]]);
});

test("a message waits until it was acked and has come", async () => {
  const room = await client();
  const id = room.say("hi");
  expect(line().said("say"), "not before it is in").toEqual([]);
  line().tell(joined(0));
  expect(line().said("say")).toEqual([{ type: "say", id, text: "hi" }]);
  line().tell({ type: "ack", id, offset: 1, message: "m1" });
  expect(room.pending).toHaveLength(1);
  line().tell(message(1));
  expect(room.pending).toEqual([]);
  const other = room.say("you", "m1");
  expect(line().said("say").at(-1)).toMatchObject({ id: other, reply_to: "m1" });
  line().tell(message(2), { type: "ack", id: other, offset: 2, message: "m2" });
  expect(room.pending).toEqual([]);
});

test("a message without an ack is said again under the same id", async () => {
  const room = await client();
  line().tell(joined(0));
  const id = room.say("hi");
  line().onclose?.();
  await connected(1_000);
  line().tell(joined(1, { recovered: false }), message(1));
  expect(line().said("say")).toEqual([{ type: "say", id, text: "hi" }]);
  await vi.advanceTimersByTimeAsync(11_000);
  expect(line().said("say")).toHaveLength(2);
  line().tell({ type: "ack", id, offset: 1, message: "m1" });
  await vi.advanceTimersByTimeAsync(11_000);
  expect(line().said("say")).toHaveLength(2);
  expect(room.pending).toEqual([]);
});

test("a store that is away is asked again; other refusals are the speaker's", async () => {
  const room = await client();
  line().tell(joined(0));
  const id = room.say("hi");
  const failure = { type: "error", text: "", id };
  line().tell({ ...failure, code: "unavailable", retry_after: 2 });
  await vi.advanceTimersByTimeAsync(3_000);
  expect(line().said("say")).toHaveLength(2);
  line().tell({ ...failure, code: "slow_mode", retry_after: 5 });
  expect(told).toEqual(["reset", "slow_mode"]);
  expect(room.pending).toEqual([]);
});

test("what could not be said while its id is known is given back", async () => {
  const room = await client();
  room.say("hi");
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(told).toEqual(["expired"]);
  expect(room.pending).toEqual([]);
});

test("only so much waits", async () => {
  const room = await client();
  for (let said = 0; said < PENDING_MAX; said += 1) expect(room.say("hi")).not.toBeNull();
  expect(room.say("hi")).toBeNull();
});

test("it comes back within the time that the server names", async () => {
  const room = await client();
  line().tell(joined(0), { type: "reconnect", reason: "stopping", within: 5 });
  expect(room.state).toEqual({ at: "waiting", ms: 2_500 });
  await connected(2_500);
  expect(lines).toHaveLength(2);
});

test("a token that does not count is renewed, once", async () => {
  const room = await client();
  line().tell({ type: "error", code: "unauthorized", text: "", retry_after: null });
  await connected();
  expect(tokens).toEqual([false, true]);
  line().tell({ type: "error", code: "unauthorized", text: "no", retry_after: null });
  expect(room.state).toEqual({ at: "refused", code: "unauthorized", text: "no" });
  room.rejoin();
  await connected();
  line().tell(joined(0));
  expect(room.state.at).toBe("joined");
});

test("a room that is not there is not asked for again; one that is forbids without an end", async () => {
  const room = await client();
  line().tell(joined(0), { type: "error", code: "forbidden", text: "", retry_after: null });
  expect([room.state.at, told]).toEqual(["joined", ["reset", "forbidden"]]);
  room.rejoin();
  await connected();
  line().tell({ type: "error", code: "not_found", text: "", retry_after: null });
  await vi.advanceTimersByTimeAsync(100_000);
  expect([room.state.at, lines.length]).toEqual(["refused", 2]);
});

test("a silent server is asked, and left when it does not answer", async () => {
  const room = await client();
  line().tell(joined(0));
  await vi.advanceTimersByTimeAsync(27_000);
  expect(line().said("ping")).toHaveLength(1);
  line().tell({ type: "pong" });
  await vi.advanceTimersByTimeAsync(20_000);
  expect([room.state.at, lines.length]).toEqual(["joined", 1]);
  await vi.advanceTimersByTimeAsync(18_000);
  expect([room.state.at, lines.length], "nothing more was heard").not.toEqual(["joined", 1]);
});

test("a server that lets nobody in is left", async () => {
  const room = await client();
  await vi.advanceTimersByTimeAsync(11_900);
  expect([room.state.at, lines[0]?.closed]).toEqual(["connecting", true]);
  expect(lines).toHaveLength(2);
});

test("whoever is nudged waits no longer", async () => {
  const room = await client();
  line().onclose?.();
  room.nudge();
  await connected();
  expect([room.state.at, lines.length]).toEqual(["connecting", 2]);
});

test("nothing is heard of a room that was left", async () => {
  const room = await client();
  const left = line();
  left.tell(joined(0));
  room.close();
  left.tell(message(1));
  await vi.advanceTimersByTimeAsync(100_000);
  expect([told, lines.length]).toEqual([["reset"], 1]);
});

test("what is no frame is not listened to", async () => {
  const room = await client();
  for (const data of ["", "null", "7", "[[1]]", '{"type":7}', '{"type":"new"}', new Blob()]) {
    line().onmessage?.({ data });
  }
  line().tell(joined(0), { type: "message", id: "without an offset" }, message(1));
  expect([room.state.at, told]).toEqual(["joined", ["reset", 1]]);
});

test("what takes an offset and is not known yet leaves no hole", async () => {
  const room = await client();
  line().tell(joined(0), message(1), { type: "polled", offset: 2 }, message(3));
  expect([room.state.at, told]).toEqual(["joined", ["reset", 1, 2, 3]]);
});

test("waits double up to half a minute, and are spread", () => {
  expect([0, 1, 2, 10, 1_000].map((failures) => backoff(failures, 1))).toEqual([
    500, 1_000, 2_000, 30_000, 30_000,
  ]);
  expect(backoff(0, 0)).toBe(250);
});

test("a room is where its page is", () => {
  expect(roomUrl("anna", "https://a.b/anna")).toBe("wss://a.b/api/v1/channels/anna/chat");
  expect(roomUrl("anna", "http://a:1/")).toBe("ws://a:1/api/v1/channels/anna/chat");
});
