import type { Caller } from "../api/caller";
import { ask, type Answer, type Asked } from "../api/request";
import { isMarked, mark, onMark } from "./mark";
import { inTurn, Session } from "./session.svelte";

/** Whoever looks at a page that needs no login: calls go out with a token if the browser has a login, else without. */
export class Visitor implements Caller {
  readonly #session = new Session(inTurn, mark);

  /** Their user name, once a call went out with a token. */
  get name(): string | null {
    const { who } = this.#session;
    return who.state === "in" ? who.user.username : null;
  }

  /** An access token, or null of whoever is not logged in; another one than before when that one does not count (`anew`). */
  async token(anew = false): Promise<string | null> {
    if (!isMarked()) return null;
    try {
      return await this.#session.token(anew);
    } catch (error) {
      if (this.#session.who.state === "nobody") return null;
      throw error;
    }
  }

  async call<T>(path: string, asked: Asked = {}): Promise<Answer<T>> {
    return (await this.token()) === null ? ask<T>(path, asked) : this.#session.call<T>(path, asked);
  }

  /** Calls back when another tab logs in or out, until `signal` ends it. */
  onChange(changed: (loggedIn: boolean) => void, signal: AbortSignal): void {
    onMark((loggedIn) => {
      if (!loggedIn) this.#session.forget();
      changed(loggedIn);
    }, signal);
  }
}
