import { beforeAll, expect, test, vi } from "vitest";

import { Problem } from "../../api/request";
import type { Doing as DoingClass } from "./doing.svelte";

let Doing: typeof DoingClass;

beforeAll(async () => {
  vi.stubGlobal("navigator", { languages: ["en"] });
  ({ Doing } = await import("./doing.svelte"));
});

test("a second press while the first is under way does nothing", async () => {
  const doing = new Doing();
  let end = (): void => undefined;
  const first = doing.run(() => new Promise<void>((resolve) => (end = resolve)));
  expect(doing.busy).toBe(true);
  expect(await doing.run(() => Promise.reject(new Error("ran")))).toBe(false);
  end();
  expect(await first).toBe(true);
  expect(doing).toMatchObject({ busy: false, done: true, trouble: null });
});

test("what went wrong is said in words, and forgotten at the next try", async () => {
  const doing = new Doing();
  const taken = new Problem(409, "urn:weir:problem:username-taken", "Not done.");
  expect(await doing.run(() => Promise.reject(taken))).toBe(false);
  expect(doing.trouble).toMatch(/taken/);
  await doing.run(() => Promise.resolve());
  expect(doing.trouble).toBeNull();
});

test("a limit says when to come back", async () => {
  const doing = new Doing();
  const limit = new Problem(429, "urn:weir:problem:too-many-requests", "", 12_000);
  await doing.run(() => Promise.reject(limit));
  expect(doing.trouble).toContain("12");
});

test("a kind of problem nobody translated keeps the server's words", async () => {
  const doing = new Doing();
  await doing.run(() =>
    Promise.reject(new Problem(418, "urn:weir:problem:teapot", "I am a teapot.")),
  );
  expect(doing.trouble).toBe("I am a teapot.");
});
