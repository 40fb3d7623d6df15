import { expect, test, vi } from "vitest";

import type { Message } from "../../chat/wire";
import { Replay } from "./replay.svelte";

const T0 = Date.parse("2026-01-01T00:00:00Z");
const message = (second: number): Message => ({
  id: `m${second}`,
  user: { id: "u", name: "u", role: "viewer" },
  text: `at ${second}`,
  at: new Date(T0 + second * 1_000).toISOString(),
});

/** A room in which something was said in each of these seconds. */
function room(seconds: number[]): { asked: string[]; said: string[]; replay: Replay } {
  const all = seconds.map(message).reverse();
  const asked: string[] = [];
  const said: string[] = [];
  const by = {
    call: <T>(path: string) => {
      asked.push(path);
      const query = new URL(path, "http://x").searchParams;
      const [before, cursor] = [query.get("before"), query.get("cursor")];
      const from =
        cursor === null ? all.findIndex(({ at }) => at < (before ?? "9")) : Number(cursor);
      const items = from < 0 ? [] : all.slice(from, from + Number(query.get("limit")));
      const next =
        from >= 0 && from + items.length < all.length ? String(from + items.length) : null;
      return Promise.resolve({ value: { items, next } as T, version: null });
    },
  };
  const replay = new Replay(
    by,
    "anna",
    T0,
    ({ text }) => said.push(text),
    () => T0 + 9_999_000,
  );
  return { asked, said, replay };
}

/** Plays from one second to another. */
async function play(replay: Replay, from: number, to: number): Promise<void> {
  for (let at = from; at <= to; at += 1) {
    replay.tick(T0 + at * 1_000);
    await vi.waitFor(() => {});
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  }
}

test("messages come when the picture does, each once", async () => {
  const every = Array.from({ length: 400 }, (_, second) => second);
  const { said, replay } = room(every);
  await play(replay, 0, 300);
  expect(said).toEqual(every.slice(0, 301).map((second) => `at ${second}`));
});

test("comments fly that stand nowhere", async () => {
  const { said, replay } = room([1, 2]);
  const fetched = replay["by"].call;
  replay["by"].call = async <T>(path: string) => {
    const answer = await fetched<{ items: Message[] }>(path);
    const over = path.includes("comments=true");
    const items = answer.value.items.flatMap((message) =>
      message.id === "m2"
        ? over
          ? [{ ...message, danmaku: { mode: "top" as const } }]
          : []
        : [message],
    );
    return { ...answer, value: { ...answer.value, items } as T };
  };
  await play(replay, 0, 5);
  expect(said).toEqual(["at 1", "at 2"]);
  expect(replay.lines.map(({ text }) => text)).toEqual(["at 1"]);
});

test("who goes elsewhere finds what was said there before, and goes on", async () => {
  const { said, replay } = room([-5, 10, 20, 500, 510, 520]);
  await play(replay, 0, 15);
  expect(said).toEqual(["at 10"]);
  await play(replay, 505, 512);
  expect(replay.lines.map(({ text }) => text)).toEqual(["at 10", "at 20", "at 500", "at 510"]);
  expect(said).toEqual(["at 10", "at 510"]);
  await play(replay, 15, 15);
  expect(replay.lines.map(({ text }) => text)).toEqual(["at 10"]);
});

test("a picture that stands still asks for nothing", async () => {
  const { asked, replay } = room([10]);
  await play(replay, 0, 1);
  const before = asked.length;
  for (let tick = 0; tick < 100; tick += 1) replay.tick(T0 + 1_000);
  expect(asked).toHaveLength(before);
});

test("where nobody answers it is asked again, not at once", async () => {
  let now = T0 + 9_999_000;
  let asked = 0;
  const by = { call: () => ((asked += 1), Promise.reject(new Error("down"))) };
  const replay = new Replay(
    by,
    "anna",
    T0,
    () => {},
    () => now,
  );
  await play(replay, 0, 4);
  expect([asked, replay.failed]).toEqual([1, true]);
  now += 6_000;
  await play(replay, 5, 5);
  expect(asked).toBe(2);
});
