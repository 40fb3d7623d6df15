import { expect, test } from "vitest";

import { read } from "./wish";

test("of what is remembered, what makes sense counts", () => {
  const wish = { on: false, density: "high", opacity: 40, way: "top", color: "#ffd75e" };
  expect(read(JSON.stringify(wish))).toEqual(wish);
  expect(read('{"on":1,"density":"most","opacity":0,"way":"up","color":"red"}')).toEqual({});
  expect(read(null)).toEqual({});
  expect(() => read("{")).toThrow();
});
