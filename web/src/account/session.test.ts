import { afterEach, expect, test, vi } from "vitest";

import { Problem } from "../api/request";
import { Session, type Exclusively } from "./session.svelte";

interface Seen {
  method: string;
  path: string;
  token: string | null;
  body: unknown;
}

/** A server that gives tokens `access-1`, `access-2`, … and takes those that `counts` says. */
class Server {
  seen: Seen[] = [];
  given = 0;
  loggedIn = true;
  counts = (_token: string | null): boolean => true;
  refreshToken: string | null = null;

  constructor() {
    vi.stubGlobal("fetch", (path: string, init: RequestInit) => this.answer(path, init));
  }

  async answer(path: string, init: RequestInit): Promise<Response> {
    const token = new Headers(init.headers).get("Authorization");
    const body: unknown = init.body ? JSON.parse(String(init.body)) : null;
    this.seen.push({ method: init.method ?? "GET", path, token, body });
    if (path === "/api/v1/auth/logout") return new Response(null, { status: 204 });
    if (path.startsWith("/api/v1/auth/")) {
      return this.loggedIn ? this.tokens() : problem(401, "wrong-refresh-token");
    }
    if (!this.counts(token)) return problem(401, "unauthorized");
    return Response.json({ items: [] }, { headers: { ETag: '"7"' } });
  }

  tokens(): Response {
    this.given += 1;
    const access_token = `access-${this.given}`;
    const user = { id: "1", username: "anna" };
    return Response.json({ user, access_token, expires_in: 900, refresh_token: this.refreshToken });
  }

  paths(): string[] {
    return this.seen.map(({ path }) => path);
  }
}

const problem = (status: number, slug: string): Response =>
  Response.json({ type: `urn:weir:problem:${slug}`, title: slug, status, detail: "" }, { status });

const atOnce: Exclusively = (job) => job();
const marked: boolean[] = [];
const mark = { set: (loggedIn: boolean) => void marked.push(loggedIn) };

afterEach(() => {
  vi.unstubAllGlobals();
  marked.length = 0;
});

test("a browser that was logged in is so again, by its cookie alone", async () => {
  const server = new Server();
  const session = new Session(atOnce, mark);
  await session.start();
  expect(session.who).toMatchObject({ state: "in", user: { username: "anna" } });
  expect(server.seen).toMatchObject([{ method: "POST", path: "/api/v1/auth/refresh", body: {} }]);
});

test("a browser that was not is nobody's", async () => {
  const server = new Server();
  server.loggedIn = false;
  const session = new Session(atOnce, mark);
  await session.start();
  expect(session.who.state).toBe("nobody");
  expect(marked).toEqual([false]);
});

test("a server that cannot be reached logs nobody out", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no network")));
  const session = new Session(atOnce, mark);
  await session.start();
  expect(session.who).toMatchObject({ state: "unreachable", problem: { status: 0 } });
  expect(marked).toEqual([]);
});

test("calls at the same time renew once", async () => {
  const server = new Server();
  const session = new Session(atOnce, mark);
  await Promise.all([session.call("/a"), session.call("/b"), session.call("/c")]);
  expect(server.paths().filter((path) => path === "/api/v1/auth/refresh")).toHaveLength(1);
  expect(server.seen.at(-1)?.token).toBe("Bearer access-1");
});

test("an access token is renewed before its end", async () => {
  const server = new Server();
  let now = 0;
  const session = new Session(atOnce, mark, () => now);
  await session.logIn("anna", "correct horse", null);
  now = 800_000;
  await session.call("/a");
  now = 880_000;
  await session.call("/b");
  expect(server.paths()).toEqual(["/api/v1/auth/login", "/a", "/api/v1/auth/refresh", "/b"]);
});

test("a token that no longer counts is renewed and the call made again, once", async () => {
  const server = new Server();
  server.counts = (token) => token === "Bearer access-2";
  const session = new Session(atOnce, mark);
  await session.start();
  const answer = await session.call("/a");
  expect(answer.version).toBe('"7"');
  server.counts = () => false;
  await expect(session.call("/a")).rejects.toMatchObject({ status: 401 });
  expect(server.paths().filter((path) => path === "/a")).toHaveLength(4);
});

test("renewing waits for the other tabs", async () => {
  const server = new Server();
  let open = (): void => undefined;
  const turn = new Promise<void>((resolve) => (open = resolve));
  const session = new Session(async (job) => (await turn, job()), mark);
  const started = session.start();
  await Promise.resolve();
  expect(server.seen).toEqual([]);
  open();
  await started;
  expect(server.paths()).toEqual(["/api/v1/auth/refresh"]);
});

test("a code is sent only when there is one", async () => {
  const server = new Server();
  const session = new Session(atOnce, mark);
  await session.logIn("anna", "correct horse", null);
  await session.logIn("anna", "correct horse", "123456");
  expect(server.seen.map(({ body }) => body)).toEqual([
    { username: "anna", password: "correct horse" },
    { username: "anna", password: "correct horse", otp: "123456" },
  ]);
});

test("what went wrong with a login is told by its type", async () => {
  vi.stubGlobal("fetch", async () => problem(401, "second-factor-needed"));
  const session = new Session(atOnce, mark);
  const failed = session.logIn("anna", "correct horse", null);
  await expect(failed).rejects.toMatchObject({ type: "urn:weir:problem:second-factor-needed" });
  await expect(failed).rejects.toBeInstanceOf(Problem);
});

test("without a cookie the refresh token is kept in memory and sent", async () => {
  const server = new Server();
  server.refreshToken = "once";
  const session = new Session(atOnce, mark);
  await session.logIn("anna", "correct horse", null);
  await session.logOut();
  expect(server.seen.at(-1)).toMatchObject({
    path: "/api/v1/auth/logout",
    body: { refresh_token: "once" },
  });
  expect(session.who.state).toBe("nobody");
  expect(marked).toEqual([true, false]);
});

test("what is no call gets a token too, and another one when that does not count", async () => {
  const server = new Server();
  const session = new Session(atOnce, mark);
  await session.start();
  expect([await session.token(), await session.token()]).toEqual(["access-1", "access-1"]);
  expect(await session.token(true)).toBe("access-2");
  expect(server.given).toBe(2);
});
