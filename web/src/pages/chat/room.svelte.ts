import type { Visitor } from "../../account/visitor";
import { ChatClient, roomUrl, type Pending, type Refusal, type State } from "../../chat/client";
import type { Danmaku, Entry, Message, Person, Settings, Viewers, Way } from "../../chat/wire";
import { Emotes } from "./emotes.svelte";
import { Feed } from "./feed";
import { Order } from "./order.svelte";
import { pieces, type Piece } from "./pieces";
import { Past, saidAt } from "./past.svelte";

/** Messages within `LOUD_WITHIN_MS` from which on they are too many to be read out, and to be shown one by one. */
const LOUD_FROM = 10;
/** In milliseconds. */
const LOUD_WITHIN_MS = 5_000;
/** Between two changes of the page while it is loud, in milliseconds: the picture beside it comes first. */
const LOUD_SHOW_MS = 200;
/** A room that remembers less than this is filled with what was kept. */
const FEW = 40;

/** Its last messages have come so long after it was joined, in milliseconds. */
const FILL_AFTER_MS = 200;

/** Something that flies over the picture. */
export type Flying = Pick<Danmaku, "id" | "user" | "text"> &
  Partial<Danmaku> & {
    /** Its text, with pictures. */
    pieces?: readonly Piece[];
  };

/** Who watches what flies. */
export interface Sky {
  fly(what: Flying, own: boolean): void;
  /** Takes a message away, what somebody said, or everything. */
  land(gone: { id?: string; user?: string | null }): void;
}

/** Runs what changes the lines, and keeps what is read where it is. */
export type Keep = (change: () => void) => void;

/** A room as a page shows it. However much comes, the page changes once a frame, or less. */
export class Room {
  state = $state.raw<State>({ at: "closed" });
  lines = $state.raw<readonly Message[]>([]);
  /** What is shown stays where it is, for somebody reads it. */
  holds = $state(false);
  /** Whether the newest message stands in the page. */
  atEnd = $state(true);
  /** Messages that came while what is shown is held. */
  missed = $state(0);
  pending = $state.raw<readonly Pending[]>([]);
  /** Null reads only, or has not joined yet. */
  you = $state.raw<Person | null>(null);
  settings = $state.raw<Settings | null>(null);
  pinned = $state.raw<Message | null>(null);
  present = $state(0);
  /** The server's other nodes cannot be reached: who is there does not hear this one. */
  alone = $state(false);
  viewers = $state.raw<Viewers | null>(null);
  refusal = $state.raw<Refusal | null>(null);
  /** When slow mode lets one speak again, in milliseconds since 1970. */
  quietUntil = $state(0);
  /** More is said than can be read out. */
  loud = $state(false);
  /** A message that the reader looks for. */
  found = $state<string | null>(null);

  /** `quietUntil` before the last message. */
  #quietBefore = 0;

  readonly order: Order;
  readonly past: Past;
  readonly emotes: Emotes;
  readonly #client: ChatClient;
  readonly #feed = new Feed();
  readonly #sky: () => Sky | null;
  /** What stands up to here was said before one came. */
  #past = 0;
  #frame = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #shownAt = 0;
  #heard: number[] = [];

  constructor(
    readonly channel: string,
    /** Who asks, here and of the API. */
    readonly visitor: Visitor,
    sky: () => Sky | null,
  ) {
    this.#sky = sky;
    this.past = new Past(visitor, channel);
    this.emotes = new Emotes(visitor, channel);
    this.#client = new ChatClient({
      url: roomUrl(channel, location.href),
      token: (anew) => visitor.token(anew),
    });
    const client = this.#client;
    this.order = new Order(client);
    client.on("state", (state) => (this.state = state));
    client.on("joined", (joined) => {
      this.you = joined.you;
      this.settings = joined.settings;
      this.pinned = joined.pinned;
      this.present = joined.present;
      this.#past = joined.offset;
    });
    client.on("reset", (until) => {
      this.#past = until;
      this.#feed.reset();
      this.past.forget();
      this.#soon();
      setTimeout(() => void this.#fill(), FILL_AFTER_MS);
    });
    client.on("rewound", ({ since, until }) => {
      this.#past = until;
      this.#feed.rewind(since);
      this.#soon();
    });
    client.on("alone", (alone) => (this.alone = alone));
    client.on("entry", (entry) => this.#entry(entry));
    client.on("you", (you) => (this.you = you));
    client.on("presence", (present) => (this.present = present));
    client.on("emotes", () => void this.emotes.load());
    client.on("viewers", (viewers) => (this.viewers = viewers));
    client.on("settings", (settings) => {
      this.settings = settings;
      // Who waits for slow mode need not wait for longer than it is now.
      this.quietUntil = Math.min(this.quietUntil, Date.now() + settings.slow * 1_000);
    });
    client.on("danmaku", (danmaku) => this.#fly(danmaku));
    client.on("pending", (pending) => (this.pending = pending));
    client.on("refused", (refusal) => {
      this.refusal = refusal;
      if (refusal.code === "slow_mode" || refusal.code === "rate_limited") {
        this.quietUntil = Date.now() + (refusal.retryAfter ?? 0) * 1_000;
      } else if (refusal.pending && refusal.code !== "held") {
        // It was not said: slow mode does not count it.
        this.quietUntil = this.#quietBefore;
      }
    });
  }

  /** Joins; the answered function leaves. */
  open(): () => void {
    const closed = new AbortController();
    const { signal } = closed;
    this.visitor.onChange(() => this.#client.rejoin(), signal);
    addEventListener("online", () => this.#client.nudge(), { signal });
    const seen = (): void => {
      if (!document.hidden) this.#client.nudge();
    };
    document.addEventListener("visibilitychange", seen, { signal });
    this.#client.open();
    void this.emotes.load();
    return () => {
      closed.abort();
      this.order.close();
      clearTimeout(this.#later);
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
    this.#quietBefore = this.quietUntil;
    if (said && slow > 0 && !free) this.quietUntil = Date.now() + slow * 1_000;
    return said;
  }

  /** Lets a comment fly that stands nowhere; false while the room is not joined. */
  send(text: string, way: Way, color?: string): boolean {
    this.refusal = null;
    return this.#client.danmaku(text, way, color);
  }

  /** Asks who is there. */
  askViewers(): void {
    this.#client.request({ type: "viewers" });
  }

  find(id: string): Message | null {
    return this.#feed.find(id);
  }

  /** What is shown stays, for somebody reads it. */
  hold(): void {
    if (this.#feed.holds) return;
    this.#feed.hold();
    this.past.forget();
    this.#show();
  }

  release(): void {
    this.found = null;
    if (!this.#feed.holds) return;
    this.#feed.release();
    this.past.forget();
    this.#show();
  }

  /** Shows what is older, from memory or from what was kept. */
  async up(keep: Keep): Promise<void> {
    if (this.#moved(keep, () => this.#feed.up())) return;
    const page = await this.past.before(this.#feed.oldest);
    if (!page || !this.#feed.holds) return;
    this.#feed.older(page);
    this.#moved(keep, () => this.#feed.up());
  }

  /** Shows what is newer. */
  down(keep: Keep): void {
    this.#moved(keep, () => this.#feed.down());
  }

  /** Shows a message and what was said around it; whether it is there. */
  async goTo(id: string, at: number | null = saidAt(id)): Promise<boolean> {
    if (!this.lines.some((message) => message.id === id)) {
      const page = at === null ? null : await this.past.around(id, at).catch(() => null);
      if (!page) return false;
      this.#feed.show(page, id);
      this.past.forget();
    } else this.#feed.hold();
    this.#show();
    this.found = id;
    return true;
  }

  /** A room that woke a moment ago knows little of what was said in it. */
  async #fill(): Promise<void> {
    if (this.#feed.holds || this.#feed.lines.length >= FEW) return;
    const page = await this.past.before(this.#feed.oldest);
    this.past.forget();
    if (!page || this.#feed.holds) return;
    this.#feed.older(page);
    this.#soon();
  }

  #moved(keep: Keep, move: () => boolean): boolean {
    if (!move()) return false;
    keep(() => this.#show());
    return true;
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
        this.order.cleared(entry, this.you);
        return this.#sky()?.land({ user: entry.user });
    }
  }

  #fly(what: Flying): void {
    const sky = this.#sky();
    if (!sky) return;
    const plain = this.emotes.all.length === 0 || !what.text.includes(":");
    const shown = plain ? what : { ...what, pieces: pieces(what.text, this.emotes.find) };
    sky.fly(shown, what.user.id === this.you?.id);
  }

  /** Shows what came with the next frame, or a little later while much comes. */
  #soon(): void {
    if (this.#frame !== 0 || this.#later !== undefined) return;
    const wait = this.loud ? this.#shownAt + LOUD_SHOW_MS - performance.now() : 0;
    const frame = (): void => {
      this.#later = undefined;
      this.#frame = requestAnimationFrame(() => this.#show());
    };
    if (wait > 0) this.#later = setTimeout(frame, wait);
    else frame();
  }

  #show(): void {
    clearTimeout(this.#later);
    cancelAnimationFrame(this.#frame);
    this.#later = undefined;
    this.#frame = 0;
    this.#shownAt = performance.now();
    const oldest = this.#heard.length < LOUD_FROM ? 0 : (this.#heard[0] ?? 0);
    this.loud = Date.now() - oldest < LOUD_WITHIN_MS;
    this.#feed.loud = this.loud;
    this.lines = this.#feed.lines;
    this.missed = this.#feed.missed;
    this.holds = this.#feed.holds;
    this.atEnd = this.#feed.atEnd;
  }
}
