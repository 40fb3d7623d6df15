import { expect, test } from "vitest";

import { route } from "./route";

test("the root lists who is live", () => {
  expect(route("/")).toEqual({ page: "home" });
});

test("going live has a page of its own", () => {
  expect(route("/golive")).toEqual({ page: "golive" });
  expect(route("/golive/")).toEqual({ page: "golive" });
});

test("the studio and its doors are no channels", () => {
  expect(route("/studio")).toEqual({ page: "studio", at: "studio" });
  expect(route("/login")).toEqual({ page: "studio", at: "login" });
  expect(route("/register/")).toEqual({ page: "studio", at: "register" });
});

test("a name is a channel, whatever its case and with a slash behind it", () => {
  expect(route("/Night_Owl7/")).toEqual({ page: "watch", channel: "night_owl7" });
});

test("a recording has a page of its own", () => {
  expect(route("/vod/0190-aB")).toEqual({ page: "vod", id: "0190-aB" });
  expect(route("/vod/")).toEqual({ page: "watch", channel: "vod" });
  expect(route("/vod/a/b")).toEqual({ page: "missing" });
});

test("what cannot be a name is no page", () => {
  for (const path of ["/ab", "/a/b", "/%00", "/no-dash", "/" + "x".repeat(33)]) {
    expect(route(path)).toEqual({ page: "missing" });
  }
});
