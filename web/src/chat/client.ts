import { backoff } from "./backoff";
import { Outbox, PENDING_MAX, type Pending } from "./outbox";
import { isEntry, read, type Danmaku, type Entry, type Failure, type Frame } from "./wire";
import type { Joined, Moved, Person, Request, Settings, Viewers, Way } from "./wire";

export { PENDING_MAX, type Pending };

/** Between two looks at what is due, in milliseconds. */
const BEAT_MS = 1_000;
/** Silence after which a server is asked whether it is there, in milliseconds. */
const PING_AFTER_MS = 25_000;
/** It has so long to answer, and to let somebody in, in milliseconds. */
const ANSWER_WITHIN_MS = 10_000;
/** A connection that held for so long ends a row of failures, in milliseconds. */
const HELD_MS = 10_000;
/** Codes with which a server does not let somebody in, now or later. */
const FINAL = ["not_found", "forbidden"];

/** What the client needs of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
}

export interface Options {
  /** `wss://HOST/api/v1/channels/NAME/chat`; see `roomUrl`. */
  url: string;
  /** An access token, or null to read only. Asked before each join; `anew` when the last one did not count. */
  token?: (anew: boolean) => Promise<string | null>;
  connect?: (url: string) => Socket;
  /** From 0 to 1, so that clients do not come back all at once. */
  random?: () => number;
}

/** How the client stands. */
export type State =
  | { at: "connecting" }
  | { at: "joined" }
  /** Comes back by itself after so many milliseconds. */
  | { at: "waiting"; ms: number }
  /** Not let in: there is no such channel, or it is not for this account. */
  | { at: "refused"; code: string; text: string }
  | { at: "closed" };

/** Something that the server did not do; `pending` when it is about a message, which then waits no more. */
export interface Refusal {
  code: string;
  text: string;
  /** Seconds. */
  retryAfter: number | null;
  pending: Pending | null;
}

export interface Events {
  state: State;
  joined: Joined;
  /** What was shown is no longer continued: a fresh page follows, up to this offset. */
  reset: number;
  /** What was shown after the offset `since` is told again, in another order perhaps, up to the offset `until`. */
  rewound: { since: number; until: number };
  /** In order, each once, without holes. */
  entry: Entry;
  /** Whether the server's other nodes cannot be reached. */
  alone: boolean;
  /** What one is in the room changed. */
  you: Person;
  presence: number;
  settings: Settings;
  danmaku: Danmaku;
  /** The emotes that may be written are others: the API has the list. */
  emotes: null;
  /** The answer to `viewers`. */
  viewers: Viewers;
  /** For moderators: messages that wait for a moderator. */
  held: number;
  /** For moderators: messages that somebody reported. */
  reported: number;
  refused: Refusal;
  /** What is on its way, in the order of saying. */
  pending: readonly Pending[];
}

/**
 * A client of one room. It comes back by itself, brings what was missed, and says each message once.
 *
 * The transcript is told by `entry`: every offset once, in order. After a break the client asks for what came since its
 * last offset; when the server no longer has that, `reset` comes before a fresh page. What is said waits, at most
 * `PENDING_MAX` messages, until an ack and the message itself have come, through any number of breaks.
 */
export class ChatClient {
  state: State = { at: "closed" };

  readonly #options: Required<Options>;
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();
  #socket: Socket | null = null;
  /** Grows with each connection and end: what belongs to an earlier one is not listened to. */
  #turn = 0;
  #epoch: string | null = null;
  /** The last offset that was told of. */
  #offset: number | null = null;
  /** A fresh page may follow up to this offset: its first entry may be any. */
  #page: number | null = null;
  readonly #outbox = new Outbox();
  #failures = 0;
  #anew = false;
  #since = 0;
  #heard = 0;
  #pinged: number | null = null;
  #wait: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;

  constructor(options: Options) {
    this.#options = {
      token: () => Promise.resolve(null),
      connect: (url) => new WebSocket(url) as Socket,
      random: Math.random,
      ...options,
    };
  }

  /** Calls back on each event of a kind, until the answered function is called. */
  on<K extends keyof Events>(name: K, listener: (value: Events[K]) => void): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener as (value: never) => void));
    return () => void all.delete(listener as (value: never) => void);
  }

  /** Joins, and stays until `close`. */
  open(): void {
    if (this.state.at !== "closed") return;
    this.#beat = setInterval(() => this.#look(), BEAT_MS);
    void this.#join();
  }

  close(): void {
    this.#leave();
    clearInterval(this.#beat);
    this.#become({ at: "closed" });
  }

  /** Joins again as whoever is logged in now; nothing is missed in between. */
  rejoin(): void {
    if (this.state.at === "closed") return;
    this.#anew = false;
    void this.#join();
  }

  /** The network is back, or the page is looked at again: waits no longer, and asks a silent server at once. */
  nudge(): void {
    if (this.state.at === "waiting") void this.#join();
    else if (this.state.at === "joined") this.#ping(Date.now());
  }

  get pending(): readonly Pending[] {
    return this.#outbox.all;
  }

  /** Says something, now or once the room is joined; its id, or null when too much waits already. */
  say(text: string, replyTo: string | null = null): string | null {
    const now = Date.now();
    const id = this.#change((outbox) => outbox.add(text, replyTo, now));
    if (id !== null) this.#sendDue(now);
    return id;
  }

  /** Sends a comment over the picture; false when the room is not joined. */
  danmaku(text: string, mode: Way = "scroll", color?: string): boolean {
    return this.request({ type: "danmaku", text, mode, ...(color === undefined ? {} : { color }) });
  }

  /**
   * Asks for anything else: `delete`, `viewers`, and for moderators `clear`, `timeout`, `ban`, `unban`, `pin`, `settings`.
   * What comes of it is seen in the transcript, or told by an event of that name or by `refused`. False when the room is
   * not joined.
   */
  request(request: Exclude<Request, { type: "say" }>): boolean {
    if (this.state.at !== "joined") return false;
    this.#send(request);
    return true;
  }

  async #join(): Promise<void> {
    this.#leave();
    const turn = this.#turn;
    this.#since = Date.now();
    this.#become({ at: "connecting" });
    let token: string | null;
    try {
      token = await this.#options.token(this.#anew);
    } catch {
      if (turn === this.#turn) this.#comeBack(null);
      return;
    }
    if (turn !== this.#turn) return;
    this.#since = Date.now();
    const socket = this.#options.connect(this.#options.url);
    this.#socket = socket;
    const known = this.#epoch !== null && this.#offset !== null;
    socket.onopen = () => {
      const [since, epoch] = known ? [this.#offset, this.#epoch] : [null, null];
      socket.send(JSON.stringify({ type: "join", token, since, epoch, batch: true }));
    };
    socket.onmessage = ({ data }) => {
      this.#heard = Date.now();
      for (const frame of read(data)) if (turn === this.#turn) this.#take(frame);
    };
    socket.onclose = () => {
      if (turn === this.#turn) this.#comeBack(null);
    };
  }

  /** Ends the connection and whatever was to come. */
  #leave(): void {
    this.#turn += 1;
    clearTimeout(this.#wait);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
  }

  /** Ends the connection and joins again: within so many milliseconds, or ever later. */
  #comeBack(within: number | null): void {
    if (this.state.at === "joined" && Date.now() - this.#since >= HELD_MS) this.#failures = 0;
    this.#leave();
    const random = this.#options.random();
    const ms = within === null ? backoff(this.#failures, random) : within * random;
    this.#failures += 1;
    this.#wait = setTimeout(() => void this.#join(), ms);
    this.#become({ at: "waiting", ms });
  }

  #take(frame: Frame): void {
    if (isEntry(frame)) return this.#entry(frame);
    this.#endPage(frame);
    switch (frame.type) {
      case "joined":
        return this.#joined(frame);
      case "epoch":
        return this.#moved(frame);
      case "ack":
        return this.#change((all) => all.acked(frame.id, frame.offset, this.#offset ?? 0));
      case "you":
        return this.#emit("you", frame.you);
      case "presence":
        return this.#emit("presence", frame.count);
      case "settings":
        return this.#emit("settings", frame.settings);
      case "danmaku":
        return this.#emit("danmaku", frame);
      case "emotes":
        return this.#emit("emotes", null);
      case "viewers":
        return this.#emit("viewers", frame);
      case "held":
        return this.#emit("held", frame.count);
      case "reported":
        return this.#emit("reported", frame.count);
      case "error":
        return this.#failed(frame);
      case "reconnect":
        return this.#comeBack(Math.max(0, Number(frame.within) || 0) * 1_000);
    }
  }

  #joined(joined: Joined): void {
    const goesOn = joined.recovered && this.#offset !== null;
    this.#epoch = joined.epoch;
    this.#anew = false;
    this.#since = Date.now();
    this.#pinged = null;
    if (!goesOn) this.#beginPage(joined.offset);
    this.#become({ at: "joined" });
    this.#emit("joined", joined);
    this.#emit("alone", joined.alone === true);
    this.#outbox.again(this.#since);
    this.#sendDue(this.#since);
  }

  #moved({ epoch, since, offset, alone }: Moved): void {
    this.#epoch = epoch;
    this.#emit("alone", alone);
    if (since === null) return this.#beginPage(offset);
    if (this.#offset === null || this.#offset <= since) return;
    this.#offset = since;
    this.#change((outbox) => outbox.rewound(since, Date.now()));
    this.#emit("rewound", { since, until: offset });
  }

  /** A fresh page follows, up to an offset. */
  #beginPage(until: number): void {
    this.#offset = null;
    this.#page = until;
    this.#change((outbox) => outbox.skipped());
    this.#emit("reset", until);
  }

  /** A page follows its `joined` at once: when something else comes, there is none. */
  #endPage(frame: Frame): void {
    if (this.#page === null || frame.type === "joined" || frame.type === "epoch") return;
    this.#offset = this.#page;
    this.#page = null;
  }

  #entry(entry: Entry): void {
    // Before `joined`, and after another one that led to a new connection, nothing counts.
    if (this.state.at !== "joined") return;
    if (this.#page !== null) {
      this.#offset = Math.min(entry.offset - 1, this.#page);
      this.#page = null;
    }
    const last = this.#offset ?? 0;
    if (entry.offset <= last) return;
    // Something got lost. What is missing comes with the next join.
    if (entry.offset > last + 1) return this.#comeBack(null);
    this.#offset = entry.offset;
    this.#emit("entry", entry);
    this.#change((outbox) => outbox.told(entry.offset));
  }

  #failed(failure: Failure): void {
    const { code, text, retry_after, id } = failure;
    if (this.state.at !== "joined") return this.#notLetIn(code, text);
    if (id !== undefined && code === "unavailable") {
      // It may have been said all the same: only its own id may ask again.
      if (this.#outbox.later(id, Date.now(), (retry_after ?? 1) * 1_000)) return;
    }
    const pending = id === undefined ? null : this.#change((outbox) => outbox.refused(id));
    this.#emit("refused", { code, text, retryAfter: retry_after ?? null, pending });
  }

  #notLetIn(code: string, text: string): void {
    if (code === "unauthorized" && !this.#anew) {
      this.#anew = true;
      void this.#join();
    } else if (code === "unauthorized" || FINAL.includes(code)) {
      this.#leave();
      this.#become({ at: "refused", code, text });
    }
    // Anything else ends the connection, which is tried again.
  }

  /** Looks at what is due. */
  #look(): void {
    const now = Date.now();
    if (this.state.at === "connecting" && now - this.#since > ANSWER_WITHIN_MS) {
      return this.#comeBack(null);
    }
    if (this.state.at === "joined") {
      const at = this.#pinged;
      if (at !== null && this.#heard >= at) this.#pinged = null;
      else if (at !== null && now - at > ANSWER_WITHIN_MS) return this.#comeBack(null);
      if (now - this.#heard > PING_AFTER_MS) this.#ping(now);
    }
    this.#sendDue(now);
  }

  #ping(now: number): void {
    if (this.#pinged !== null) return;
    this.#pinged = now;
    this.#send({ type: "ping" });
  }

  #sendDue(now: number): void {
    for (const pending of this.#change((outbox) => outbox.expired(now))) {
      const text = "This could not be said for too long.";
      this.#emit("refused", { code: "expired", text, retryAfter: null, pending });
    }
    if (this.state.at !== "joined") return;
    for (const { id, text, replyTo } of this.#outbox.due(now)) {
      this.#send({ type: "say", id, text, ...(replyTo === null ? {} : { reply_to: replyTo }) });
    }
  }

  /** Does something to what is on its way, and tells if that is another list then. */
  #change<T>(change: (outbox: Outbox) => T): T {
    const before = this.#outbox.all;
    const answer = change(this.#outbox);
    if (this.#outbox.all !== before) this.#emit("pending", this.#outbox.all);
    return answer;
  }

  #send(request: Request): void {
    this.#socket?.send(JSON.stringify(request));
  }

  #become(state: State): void {
    this.state = state;
    this.#emit("state", state);
  }

  #emit<K extends keyof Events>(name: K, value: Events[K]): void {
    const all = this.#listeners.get(name) as Set<(value: Events[K]) => void> | undefined;
    for (const listener of all ?? []) listener(value);
  }
}

/** Where the room of a channel is, of the server that `base` is a page of. */
export function roomUrl(channel: string, base: string): string {
  const url = new URL(`/api/v1/channels/${encodeURIComponent(channel)}/chat`, base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
