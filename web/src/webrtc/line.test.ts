import { expect, test } from "vitest";

import { lineOf } from "./line";

test("a session is connected when ICE and DTLS are", () => {
  expect(lineOf("connected", "connected", ["connected"])).toBe("connected");
  expect(lineOf("completed", "connected", [])).toBe("connected");
  expect(lineOf("connected", "connecting", ["connecting"])).toBe("connecting");
  expect(lineOf("checking", "connecting", ["new"])).toBe("connecting");
});

test("a far end that closed is noticed although the connection says it is connected", () => {
  expect(lineOf("connected", "connected", ["closed"])).toBe("closed");
  expect(lineOf("connected", "failed", ["failed"])).toBe("closed");
});

test("lost checks are an interruption", () => {
  expect(lineOf("disconnected", "disconnected", ["connected"])).toBe("interrupted");
  expect(lineOf("failed", "failed", ["connected"])).toBe("interrupted");
});
