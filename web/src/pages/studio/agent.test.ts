import { expect, test } from "vitest";

import { agentName } from "./agent";

const like = "AppleWebKit/537.36 (KHTML, like Gecko)";

test("browsers are known though they name each other", () => {
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
  expect(agentName(`${windows} ${like} Chrome/140.0.0.0 Safari/537.36`)).toBe("Chrome · Windows");
  expect(agentName(`${windows} ${like} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`)).toBe(
    "Edge · Windows",
  );
  const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)";
  expect(agentName(`${phone} AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1`)).toBe(
    "Safari · iPhone",
  );
  expect(agentName("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe(
    "Firefox · Linux",
  );
});

test("what is no browser calls itself what it likes", () => {
  expect(agentName("curl/8.5.0")).toBe("curl/8.5.0");
  expect(agentName("")).toBe("");
});
