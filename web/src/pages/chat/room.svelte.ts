import { isMarked, mark, onMark } from "../../account/mark";
import { inTurn, Session } from "../../account/session.svelte";
import { ChatClient, roomUrl, type Pending, type Refusal, type State } from "../../chat/client";
import type { Danmaku, Entry, Message, Person, Settings } from "../../chat/wire";
import { Feed } from "./feed";

/** Messages within `LOUD_WITHIN_MS` from which on they are too many to be read out. */
const LOUD_FROM = 10;
/** In milliseconds. */
const LOUD_WITHIN_MS = 5_000;

/** How long it is offered to undo a ban, in milliseconds. */
const UNDO_WITHIN_MS = 20_000;

/** Something that flies over the picture. */
export type Flying = Pick<Danmaku, "id" | "user" | "text"> & Partial<Danmaku>;

/** Who watches what flies. */
export interface Sky {
  fly(what: Flying, own: boolean): void;
  /** Takes a message away, what somebody said, or everything. */
  land(gone: { id?: string; user?: string | null }): void;
}

/** What a moderator did to somebody, and may undo. */
export interface Deed {
  person: Person;
  /** Null for good. */
  seconds: number | null;
}

/** A room as a page shows it. However much comes, the page changes once a frame. */
export class Room {
  state = $state.raw<State>({ at: "closed" });
  lines = $state.raw<readonly Message[]>([]);
  /** Messages that came while what is shown is held. */
  missed = $state(0);
  pending = $state.raw<readonly Pending[]>([]);
  /** Null reads only, or has not joined yet. */
  you = $state.raw<Person | null>(null);
  settings = $state.raw<Settings | null>(null);
  pinned = $state.raw<Message | null>(null);
  present = $state(0);
  refusal = $state.raw<Refusal | null>(null);
  deed = $state.raw<Deed | null>(null);
  /** When slow mode lets one speak again, in milliseconds since 1970. */
  quietUntil = $state(0);
  /** More is said than can be read out. */
  loud = $state(false);

  readonly #client: ChatClient;
  readonly #session = new Session(inTurn, mark);
  readonly #feed = new Feed();
  readonly #sky: () => Sky | null;
  /** What stands up to here was said before one came. */
  #past = 0;
  #asked: Deed | null = null;
  #undoing: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  #heard: number[] = [];

  constructor(channel: string, sky: () => Sky | null) {
    this.#sky = sky;
    this.#client = new ChatClient({
      url: roomUrl(channel, location.href),
      token: (anew) => this.#token(anew),
    });
    const client = this.#client;
    client.on("state", (state) => (this.state = state));
    client.on("joined", (joined) => {
      this.you = joined.you;
      this.settings = joined.settings;
      this.pinned = joined.pinned;
      this.present = joined.present;
      this.#past = joined.offset;
    });
    client.on("reset", () => {
      this.#feed.reset();
      this.#soon();
    });
    client.on("entry", (entry) => this.#entry(entry));
    client.on("presence", (present) => (this.present = present));
    client.on("settings", (settings) => (this.settings = settings));
    client.on("danmaku", (danmaku) => this.#fly(danmaku));
    client.on("pending", (pending) => (this.pending = pending));
    client.on("refused", (refusal) => {
      this.refusal = refusal;
      this.#asked = null;
      if (refusal.code === "slow_mode" || refusal.code === "rate_limited") {
        this.quietUntil = Date.now() + (refusal.retryAfter ?? 0) * 1_000;
      }
    });
  }

  /** Joins; the answered function leaves. */
  open(): () => void {
    const closed = new AbortController();
    const { signal } = closed;
    onMark((loggedIn) => {
      if (!loggedIn) this.#session.forget();
      this.#client.rejoin();
    }, signal);
    addEventListener("online", () => this.#client.nudge(), { signal });
    const seen = (): void => {
      if (!document.hidden) this.#client.nudge();
    };
    document.addEventListener("visibilitychange", seen, { signal });
    this.#client.open();
    return () => {
      closed.abort();
      clearTimeout(this.#undoing);
      cancelAnimationFrame(this.#frame);
      this.#client.close();
    };
  }

  get moderates(): boolean {
    return this.you?.role === "moderator" || this.you?.role === "owner";
  }

  /** Says something; false when too much waits already. */
  say(text: string, replyTo: string | null): boolean {
    this.refusal = null;
    const said = this.#client.say(text, replyTo) !== null;
    const free = this.you !== null && this.you.role !== "viewer";
    const slow = this.settings?.slow ?? 0;
    if (said && slow > 0 && !free) this.quietUntil = Date.now() + slow * 1_000;
    return said;
  }

  /** Lets a comment fly that stands nowhere; false while the room is not joined. */
  send(text: string): boolean {
    this.refusal = null;
    return this.#client.danmaku(text);
  }

  delete(message: Message): void {
    this.#client.request({ type: "delete", id: message.id });
  }

  pin(message: Message | null): void {
    this.#client.request({ type: "pin", id: message?.id ?? null });
  }

  /** Bans somebody, for good or for so many seconds. */
  ban(person: Person, seconds: number | null): void {
    const user = person.id;
    this.#asked = { person, seconds };
    this.#client.request(
      seconds === null ? { type: "ban", user } : { type: "timeout", user, seconds },
    );
  }

  /** Takes the last ban back. */
  undo(): void {
    if (!this.deed) return;
    this.#client.request({ type: "unban", user: this.deed.person.id });
    this.deed = null;
  }

  /** What is shown stays, for somebody reads it. */
  hold(): void {
    this.#feed.hold();
  }

  release(): void {
    if (!this.#feed.holds) return;
    this.#feed.release();
    this.#show();
  }

  async #token(anew: boolean): Promise<string | null> {
    if (!isMarked()) return null;
    try {
      return await this.#session.token(anew);
    } catch (error) {
      if (this.#session.who.state === "nobody") return null;
      throw error;
    }
  }

  #entry(entry: Entry): void {
    this.#feed.apply(entry);
    this.#soon();
    switch (entry.type) {
      case "message":
        if (entry.offset <= this.#past) return;
        this.#heard.push(Date.now());
        if (this.#heard.length > LOUD_FROM) this.#heard.shift();
        return this.#fly(entry);
      case "pinned":
        if (entry.offset > this.#past) this.pinned = entry.message;
        return;
      case "deleted":
        if (this.pinned?.id === entry.id) this.pinned = null;
        return this.#sky()?.land({ id: entry.id });
      case "cleared":
        if (entry.user === null || this.pinned?.user.id === entry.user) this.pinned = null;
        if (this.#asked && entry.user === this.#asked.person.id && entry.by === this.you?.id) {
          this.deed = this.#asked;
          this.#asked = null;
          clearTimeout(this.#undoing);
          this.#undoing = setTimeout(() => (this.deed = null), UNDO_WITHIN_MS);
        }
        return this.#sky()?.land({ user: entry.user });
    }
  }

  #fly(what: Flying): void {
    this.#sky()?.fly(what, what.user.id === this.you?.id);
  }

  #soon(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#show());
  }

  #show(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.lines = [...this.#feed.lines];
    this.missed = this.#feed.missed;
    const oldest = this.#heard.length < LOUD_FROM ? 0 : (this.#heard[0] ?? 0);
    this.loud = Date.now() - oldest < LOUD_WITHIN_MS;
  }
}
