import * as account from "../api/account";
import type { Caller } from "../api/caller";
import { finishTicket } from "../api/identities";
import { ask, Problem, type Answer, type Asked } from "../api/request";
import type { Mark } from "./mark";
import { openShelf, takingTurns } from "./turns";

/** Who uses this page. */
export type Who =
  | { state: "asking" }
  | { state: "nobody" }
  | { state: "unreachable"; problem: Problem }
  | { state: "in"; user: account.User };

/** Runs a job while no other tab runs one. */
export type Exclusively = <T>(job: () => Promise<T>) => Promise<T>;

/** An access token is renewed this long before its end, in milliseconds: requests and clocks take time. */
const RENEW_BEFORE_MS = 30_000;

/**
 * Somebody's login in this tab. The access token lives in memory alone. The refresh token is a cookie that pages cannot
 * read and counts once, so tabs renew one after another.
 */
export class Session implements Caller {
  who = $state<Who>({ state: "asking" });

  #access: { token: string; until: number } | null = null;
  /** Only where the server does not see that this is a browser. */
  #refresh: string | null = null;
  #renewing: Promise<string> | null = null;

  constructor(
    private readonly exclusively: Exclusively,
    private readonly mark: Mark,
    private readonly now: () => number = Date.now,
  ) {}

  /** Asks the server who it is. */
  async start(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (this.who.state !== "nobody") {
        this.who = { state: "unreachable", problem: problemIn(error) };
      }
    }
  }

  async register(wanted: account.Registration): Promise<void> {
    this.#take(await this.exclusively(() => account.register(wanted)));
    this.mark.set(true);
  }

  async logIn(username: string, password: string, otp: string | null): Promise<void> {
    this.#take(await this.exclusively(() => account.logIn(username, password, otp)));
    this.mark.set(true);
  }

  /** Says what was missing after a provider vouched for somebody. */
  async finish(said: Parameters<typeof finishTicket>[0]): Promise<void> {
    this.#take(await this.exclusively(() => finishTicket(said)));
    this.mark.set(true);
  }

  /** Logs this browser out; it is logged out only when the server says so. */
  async logOut(): Promise<void> {
    await this.exclusively(() => account.logOut(this.#refresh));
    this.forget();
    this.mark.set(false);
  }

  /** Another tab logged out, or the account is gone. */
  forget(): void {
    this.#access = null;
    this.#refresh = null;
    this.who = { state: "nobody" };
  }

  /** The account was changed. */
  changed(user: account.User): void {
    if (this.who.state === "in") this.who = { state: "in", user };
  }

  async call<T>(path: string, asked: Asked = {}): Promise<Answer<T>> {
    const token = await this.token();
    try {
      return await ask<T>(path, withToken(asked, token));
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== "urn:weir:problem:unauthorized")
        throw error;
    }
    // It ended before its time: the server's clock or its keys changed.
    return ask<T>(path, withToken(asked, await this.#renew()));
  }

  /** An access token, for what is no call; another one than before when that one does not count (`anew`). */
  async token(anew = false): Promise<string> {
    const access = this.#access;
    return access && !anew && this.now() < access.until ? access.token : this.#renew();
  }

  /** The next access token. Callers of one tab share the request, tabs take turns. */
  #renew(): Promise<string> {
    this.#renewing ??= this.exclusively(() => account.refresh(this.#refresh))
      .then(
        (tokens) => this.#take(tokens),
        (error: unknown) => {
          if (error instanceof Problem && (error.status === 401 || error.status === 403)) {
            this.forget();
            this.mark.set(false);
          }
          throw error;
        },
      )
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  #take(tokens: account.Tokens): string {
    const until = this.now() + tokens.expires_in * 1_000 - RENEW_BEFORE_MS;
    this.#access = { token: tokens.access_token, until };
    this.#refresh = tokens.refresh_token ?? null;
    this.who = { state: "in", user: tokens.user };
    return tokens.access_token;
  }
}

/** Tabs take turns by a lock of the browser's; pages of plain HTTP have none, and share a note. */
export const inTurn: Exclusively = async (job) => {
  if ("locks" in navigator) return navigator.locks.request("weir.account", job);
  // A browser that keeps nothing has no other tabs with this login.
  const shelf = await openShelf().catch(() => null);
  return shelf ? takingTurns(shelf, job) : job();
};

const withToken = (asked: Asked, token: string): Asked => ({
  ...asked,
  headers: { ...asked.headers, Authorization: `Bearer ${token}` },
});

const problemIn = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, null, String(error));
