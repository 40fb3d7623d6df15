import { expect, test, vi } from "vitest";

vi.stubGlobal("navigator", { languages: ["en"] });
const { returnedTrouble } = await import("./returned");

test("what went wrong at a provider is told in words of ours", () => {
  expect(returnedTrouble("?problem=identity-taken")).toMatch(/another account/);
  expect(returnedTrouble("?problem=<b>Send%20money</b>")).toBe("That did not work.");
});

test("nothing is told when nothing went wrong", () => {
  expect(returnedTrouble("")).toBeNull();
  expect(returnedTrouble("?ticket")).toBeNull();
});
