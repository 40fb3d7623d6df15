import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Flying } from "../room.svelte";
import { Aligned } from "./aligned";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const said = (id: string): Flying => ({
  id,
  user: { id: "u", name: "u", role: "viewer" },
  text: "",
});
function sky(late: () => number | null): { seen: string[]; aligned: Aligned } {
  const seen: string[] = [];
  const fly = ({ id }: Flying): void => void seen.push(id);
  return { seen, aligned: new Aligned({ fly, land: () => {} }, late) };
}

test("comments wait for the picture that they were said about, in their order", () => {
  let late: number | null = 3;
  const { seen, aligned } = sky(() => late);
  aligned.fly(said("a"), false);
  vi.advanceTimersByTime(1_000);
  aligned.fly(said("b"), false);
  vi.advanceTimersByTime(1_900);
  expect(seen).toEqual([]);
  vi.advanceTimersByTime(200);
  expect(seen).toEqual(["a"]);
  // Paused: the picture gets later as time goes by.
  late = 10;
  vi.advanceTimersByTime(5_000);
  expect(seen).toEqual(["a"]);
  late = null;
  vi.advanceTimersByTime(200);
  expect(seen).toEqual(["a", "b"]);
});

test("own ones fly at once, and all do where the picture is not late", () => {
  const { seen, aligned } = sky(() => 3);
  aligned.fly(said("own"), true);
  expect(seen).toEqual(["own"]);
  const live = sky(() => null);
  live.aligned.fly(said("a"), false);
  expect(live.seen).toEqual(["a"]);
});

test("what was taken back does not fly later", () => {
  const { seen, aligned } = sky(() => 1);
  aligned.fly(said("a"), false);
  aligned.fly(said("b"), false);
  aligned.land({ id: "a" });
  vi.advanceTimersByTime(2_000);
  expect(seen).toEqual(["b"]);
});
