import { expect, test } from "vitest";

import { readTags } from "./tags";

test("tags stand between commas of any script, each once", () => {
  expect(readTags(" chess, #Blitz，chess、 ,CHESS, 오목")).toEqual(["chess", "Blitz", "오목"]);
  expect(readTags("")).toEqual([]);
});
