import { expect, test } from "vitest";

import type { Entry } from "../../chat/wire";
import { Feed, HELD_MAX, LINES_MAX } from "./feed";

const said = (offset: number, user = "u"): Entry => ({
  type: "message",
  offset,
  id: `m${offset}`,
  user: { id: user, name: user, role: "viewer" },
  text: `text ${offset}`,
  at: "",
});
const feed = (count: number): Feed => {
  const feed = new Feed();
  for (let offset = 1; offset <= count; offset += 1) feed.apply(said(offset));
  return feed;
};
const texts = (feed: Feed): string[] => feed.lines.map(({ text }) => text);

test("the last messages are shown", () => {
  const full = feed(LINES_MAX + 2);
  expect(full.lines).toHaveLength(LINES_MAX);
  expect(full.lines[0]?.id).toBe("m3");
});

test("what was taken back keeps its place, not its words", () => {
  const room = feed(2);
  room.apply({ type: "deleted", offset: 3, id: "m1", by: "x" });
  expect(texts(room)).toEqual(["", "text 2"]);
  room.apply(said(4, "v"));
  room.apply({ type: "cleared", offset: 5, user: "u", by: "x" });
  expect(texts(room)).toEqual(["", "", "text 4"]);
  room.apply({ type: "cleared", offset: 6, user: null, by: "x" });
  expect(room.lines.every(({ deleted }) => deleted)).toBe(true);
});

test("history's empty places are not shown", () => {
  const room = feed(1);
  room.apply({ ...said(2), text: "", deleted: true } as Entry);
  expect(texts(room)).toEqual(["text 1"]);
});

test("while somebody reads nothing moves, and what waits is bounded", () => {
  const room = feed(2);
  room.hold();
  for (let offset = 3; offset < HELD_MAX + 13; offset += 1) room.apply(said(offset));
  expect([room.lines.length, room.missed]).toEqual([2, HELD_MAX + 10]);
  room.apply({ type: "cleared", offset: 9_999, user: "u", by: "x" });
  room.release();
  expect([room.lines.length, room.missed]).toEqual([LINES_MAX, 0]);
  expect(new Set(texts(room))).toEqual(new Set([""]));
});
