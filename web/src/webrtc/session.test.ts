import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakePeer, FakeServer } from "./fake-peer";
import type { Line } from "./line";
import { Session } from "./session";

let server: FakeServer;
let peer: FakePeer;
let lines: Line[];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  vi.stubGlobal("fetch", server.fetch);
  vi.stubGlobal("document", { baseURI: "http://weir.test/ada" });
  vi.stubGlobal("navigator", {});
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("dispatchEvent", page.dispatchEvent.bind(page));
  peer = new FakePeer();
  lines = [];
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const open = (token: string | null = null): Promise<Session> =>
  Session.open(peer as unknown as RTCPeerConnection, "/whep/ada", {
    token,
    prepare: (offer) => offer.replace("111", "112"),
    onLine: (line) => lines.push(line),
  });

/** What was PATCHed is done when its promises are. */
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

test("the prepared offer is sent at once, and the same is set here", async () => {
  const session = await open("the-key");
  expect(server.calls[0]).toMatchObject({
    method: "POST",
    url: "/whep/ada",
    headers: { "Content-Type": "application/sdp", Authorization: "Bearer the-key" },
  });
  expect(peer.descriptions[0]).toBe(`local ${server.calls[0]?.body}`);
  expect(peer.descriptions[1]).toContain("remote v=0");
  expect(session.url).toBe("http://weir.test/session/1");
});

test("ICE servers that the server names are used", async () => {
  server.links = '<stun:stun.example.net>; rel="ice-server"';
  await open();
  expect(peer.configuration.iceServers).toEqual([{ urls: "stun:stun.example.net" }]);
});

test("a refusal says its status and when to come back", async () => {
  server.refuse["POST"] = { status: 503, headers: { "Retry-After": "7" } };
  await expect(open()).rejects.toMatchObject({ status: 503, retryAfter: 7_000 });
});

test("an answer that the browser does not take ends the session on the server", async () => {
  peer.setRemoteDescription = () => Promise.reject(new Error("no"));
  await expect(open()).rejects.toMatchObject({ status: 0 });
  expect(server.methods()).toBe("POST DELETE");
});

test("a short interruption heals by itself", async () => {
  await open();
  peer.become("connected", "connected");
  peer.become("disconnected", "connected");
  await vi.advanceTimersByTimeAsync(500);
  peer.become("connected", "connected");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(lines).toEqual(["connected", "interrupted", "connected"]);
  expect(server.methods()).toBe("POST");
});

test("a longer one starts ICE anew with new credentials", async () => {
  await open();
  peer.become("connected", "connected");
  peer.become("disconnected", "connected");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.calls[1]).toMatchObject({
    method: "PATCH",
    url: "http://weir.test/session/1",
    headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
  });
  expect(server.calls[1]?.body).toContain("a=ice-ufrag:ours2");
  expect(peer.descriptions.at(-1)).toContain("a=ice-ufrag:newer");
  peer.become("connected", "connected");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(lines.at(-1)).toBe("connected");
});

test("a changed network starts ICE anew without waiting for an interruption", async () => {
  await open();
  peer.become("connected", "connected");
  dispatchEvent(new Event("online"));
  await settle();
  expect(server.methods()).toBe("POST PATCH");
});

test("a restart that does not get through is asked for again when the network is back", async () => {
  const session = await open();
  peer.become("connected", "connected");
  server.refuse["PATCH"] = { status: 0 };
  session.repair();
  await settle();
  delete server.refuse["PATCH"];
  dispatchEvent(new Event("online"));
  await settle();
  expect(server.methods()).toBe("POST PATCH PATCH");
  expect(peer.descriptions.at(-1)).toContain("a=ice-ufrag:newer");
  peer.become("connected", "connected");
  await vi.advanceTimersByTimeAsync(20_000);
  expect([lines.at(-1), server.methods()]).toEqual(["connected", "POST PATCH PATCH"]);
});

test("a network that does not come back ends it", async () => {
  const session = await open();
  peer.become("connected", "connected");
  server.refuse["PATCH"] = { status: 0 };
  session.repair();
  await vi.advanceTimersByTimeAsync(20_000);
  const asked = server.calls.length;
  await vi.advanceTimersByTimeAsync(20_000);
  expect([lines.at(-1), server.calls.length]).toEqual(["closed", asked]);
});

test("a session that the server forgot is closed", async () => {
  const session = await open();
  peer.become("connected", "connected");
  server.refuse["PATCH"] = { status: 404 };
  session.repair();
  await settle();
  expect(lines.at(-1)).toBe("closed");
  expect(peer.closed).toBe(true);
});

test("a restart that does not connect is closed", async () => {
  const session = await open();
  peer.become("connected", "connected");
  peer.become("disconnected", "connected");
  session.repair();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(lines.at(-1)).toBe("closed");
});

test("one that never connects is closed", async () => {
  await open();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(lines).toEqual(["closed"]);
  expect(server.methods()).toBe("POST DELETE");
});

test("a far end that closed is told once", async () => {
  await open();
  peer.become("connected", "connected");
  peer.become("connected", "closed");
  expect(lines).toEqual(["connected", "closed"]);
  expect([server.methods(), peer.closed]).toEqual(["POST", true]);
});

test("leaving the page ends it on the server", async () => {
  await open();
  peer.become("connected", "connected");
  dispatchEvent(new Event("pagehide"));
  expect(server.methods()).toBe("POST DELETE");
});

test("the server hears the end before the transport says goodbye", async () => {
  const session = await open();
  session.close();
  expect([server.methods(), peer.closed]).toEqual(["POST DELETE", false]);
  await settle();
  expect(peer.closed).toBe(true);
});

test("closing tells nothing and asks nothing more", async () => {
  const session = await open();
  session.close();
  peer.become("connected", "closed");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(lines).toEqual([]);
  expect(server.methods()).toBe("POST DELETE");
});
