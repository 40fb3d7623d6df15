import { expect, test } from "vitest";

import type { Entry, Message } from "../../chat/wire";
import { Feed, KEPT_MAX } from "./feed";
import { SHOWN_MAX, STEP, STRETCH_MAX } from "./stretch";

const message = (number: number, user = "u"): Message => ({
  id: `m${number}`,
  user: { id: user, name: user, role: "viewer" },
  text: `text ${number}`,
  at: "",
});
const said = (offset: number, user = "u"): Entry => ({
  type: "message",
  offset,
  ...message(offset, user),
});
const feed = (first: number, last: number): Feed => {
  const feed = new Feed();
  for (let offset = first; offset <= last; offset += 1) feed.apply(said(offset));
  return feed;
};
/** As the API has it: newest first. */
const page = (first: number, last: number): Message[] =>
  Array.from({ length: last - first + 1 }, (_, at) => message(last - at));
const texts = (feed: Feed): string[] => feed.lines.map(({ text }) => text);
/** The numbers of the first and last messages that are shown, which follow one another. */
function shown(feed: Feed): [number, number] {
  const numbers = feed.lines.map(({ id }) => Number(id.slice(1)));
  const [first, last] = [numbers[0] ?? 0, numbers.at(-1) ?? 0];
  expect(numbers).toEqual(Array.from({ length: last - first + 1 }, (_, at) => first + at));
  return [first, last];
}

test("the last messages are shown", () => {
  expect(shown(feed(1, SHOWN_MAX + 2))).toEqual([3, SHOWN_MAX + 2]);
});

test("what was taken back keeps its place, not its words", () => {
  const room = feed(1, 2);
  room.apply({ type: "deleted", offset: 3, id: "m1", by: "x" });
  expect(texts(room)).toEqual(["", "text 2"]);
  room.apply(said(4, "v"));
  room.apply({ type: "cleared", offset: 5, user: "u", by: "x" });
  expect(texts(room)).toEqual(["", "", "text 4"]);
  room.apply({ type: "cleared", offset: 6, user: null, by: "x" });
  expect(room.lines.every(({ deleted }) => deleted)).toBe(true);
});

test("history's empty places are not shown", () => {
  const room = feed(1, 1);
  room.apply({ ...said(2), text: "", deleted: true } as Entry);
  room.older([{ ...message(0), deleted: true }]);
  expect(texts(room)).toEqual(["text 1"]);
});

test("while somebody reads nothing moves, and what waits is bounded", () => {
  const room = feed(1, 2);
  room.hold();
  const last = STRETCH_MAX + 10;
  for (let offset = 3; offset <= last; offset += 1) room.apply(said(offset));
  expect(shown(room)).toEqual([1, 2]);
  expect(room.missed).toBe(last - 2);
  room.apply({ type: "cleared", offset: last + 1, user: "u", by: "x" });
  while (room.down());
  expect(room.atEnd).toBe(false);
  room.release();
  expect([room.lines.length, room.missed, room.atEnd]).toEqual([SHOWN_MAX, 0, true]);
  expect(new Set(texts(room))).toEqual(new Set([""]));
});

test("who goes up sees what was said before, each message once, and finds the way back down", () => {
  const room = feed(501, 501 + SHOWN_MAX + STEP);
  room.hold();
  expect(room.up()).toBe(true);
  while (room.up());
  expect(shown(room)[0]).toBe(501);
  room.older(page(450, 503));
  expect(shown(room)[0]).toBe(501);
  expect(room.up()).toBe(true);
  expect(shown(room)[0]).toBe(501 - STEP);
  while (room.up());
  expect(shown(room)).toEqual([450, 450 + SHOWN_MAX - 1]);
  expect(room.oldest?.id).toBe("m450");
  while (room.down());
  expect([shown(room)[1], room.atEnd]).toEqual([501 + SHOWN_MAX + STEP, true]);
});

test("a room that remembers nothing shows what was kept", () => {
  const room = new Feed();
  room.older(page(1, 9));
  room.apply(said(10));
  expect(shown(room)).toEqual([1, 10]);
});

test("who goes up for long lets go of the end", () => {
  const room = feed(100_000, 100_001);
  room.hold();
  for (let last = 99_999; last > 94_000; last -= 50) {
    room.older(page(last - 49, last));
    while (room.up());
  }
  expect(shown(room)[1] - shown(room)[0]).toBe(SHOWN_MAX - 1);
  while (room.down());
  expect(room.atEnd).toBe(false);
});

test("a place that was found goes on until now where it meets the end", () => {
  const room = feed(100, 200);
  room.show(page(90, 130), "m95");
  expect(shown(room)[0]).toBe(90);
  while (room.down());
  expect([shown(room)[1], room.atEnd]).toEqual([200, true]);
  room.show(page(10, 60), "m40");
  expect(shown(room)).toEqual([10, 60]);
  expect([room.down(), room.atEnd, room.holds]).toEqual([false, false, true]);
  room.apply(said(201));
  expect(shown(room)).toEqual([10, 60]);
  room.release();
  expect(shown(room)).toEqual([100, 201]);
});

test("what is told again is shown once, in its new order", () => {
  const room = feed(1, 5);
  room.hold();
  room.rewind(3);
  expect(shown(room)).toEqual([1, 3]);
  for (const [offset, number] of [
    [4, 5],
    [5, 4],
  ] as const) {
    room.apply({ type: "message", offset, ...message(number) });
  }
  room.apply({ type: "message", offset: 6, ...message(4) });
  while (room.down());
  expect(texts(room).slice(3)).toEqual(["text 5", "text 4"]);
  room.release();
  expect(texts(room).slice(3)).toEqual(["text 5", "text 4"]);
});

test("the end in memory is bounded", () => {
  const room = feed(1, 5_000);
  room.hold();
  while (room.up());
  expect(shown(room)[0]).toBeGreaterThan(5_000 - KEPT_MAX - 101);
});
