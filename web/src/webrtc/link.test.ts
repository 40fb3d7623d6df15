import { expect, test } from "vitest";

import { iceServersOf } from "./link";

test("every ICE server of a joined header is found", () => {
  const header =
    '<stun:stun.example.net>; rel="ice-server", ' +
    '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="a,b"; credential="p\\"w"; credential-type="password"';
  expect(iceServersOf(header)).toEqual([
    { urls: "stun:stun.example.net" },
    { urls: "turn:turn.example.net?transport=udp", username: "a,b", credential: 'p"w' },
  ]);
});

test("other links, other schemes and no header give none", () => {
  expect(iceServersOf('</next>; rel="next", <https://x>; rel="ice-server"')).toEqual([]);
  expect(iceServersOf(null)).toEqual([]);
});
