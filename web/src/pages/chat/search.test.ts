import { afterEach, expect, test, vi } from "vitest";

import { readQuery, Search } from "./search.svelte";

afterEach(() => void vi.unstubAllGlobals());

test("words and names are told apart", () => {
  expect(readQuery("  ")).toBeNull();
  expect(readQuery("from:Anna")).toEqual({ q: "", user: "anna" });
  expect(readQuery("hello from:@anna 세상")).toEqual({ q: "hello 세상", user: "anna" });
  expect(readQuery("from: anna")).toEqual({ q: "from: anna", user: "" });
});

test("empty pages with more behind them are passed over", async () => {
  const asked: string[] = [];
  const at = "2026-01-01T00:00:00Z";
  const hit = { id: "1", user: { id: "u", name: "u", role: "viewer" }, text: "hello", at };
  const pages = [
    { items: [], next: "a" },
    { items: [], next: "b" },
    { items: [hit], next: "c" },
    { items: [], next: null },
  ];
  const by = {
    call: <T>(path: string) => {
      asked.push(path);
      return Promise.resolve({ value: pages[asked.length - 1] as T, version: null });
    },
  };
  const search = new Search(by, "anna");
  await search.begin({ q: "hello", user: "" });
  expect(asked).toHaveLength(3);
  expect([search.found.length, search.more, search.state]).toEqual([1, true, "done"]);
  await search.go();
  expect(asked.at(-1)).toContain("q=hello&cursor=c");
  expect([search.found.length, search.more]).toEqual([1, false]);
});
