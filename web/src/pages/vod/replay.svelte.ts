import type { Caller } from "../../api/caller";
import { messages } from "../../api/messages";
import type { Message } from "../../chat/wire";
import { SHOWN_MAX } from "../chat/stretch";

/** Messages that are asked for at once. */
const PAGE = 100;
/** Pages of one stretch of time; of more, the oldest messages are left out. */
const PAGES_MAX = 10;
/** Time whose messages are fetched together, in milliseconds. */
const AHEAD_MS = 60_000;
/** What comes next is fetched when so much is left, in milliseconds. */
const LEFT_MS = 20_000;
/** A step in time that is longer was no playing, in milliseconds: the picture is looked at four times a second. */
const JUMP_MS = 5_000;
/** After a failure it is asked again so much later, in milliseconds. */
const AGAIN_MS = 5_000;
/** What was said just now may not be kept yet, in milliseconds. */
const FRESH_MS = 2_000;

/** What was said while a recording was made, as its picture goes on. */
export class Replay {
  lines = $state.raw<readonly Message[]>([]);
  /** Nobody answers. */
  failed = $state(false);

  /** Oldest first. */
  #coming: Message[] = [];
  #known = new Set<string>();
  /** What was said until then was fetched, in milliseconds since 1970. */
  #until = 0;
  #at: number | null = null;
  #asking: AbortController | null = null;
  #notBefore = 0;

  constructor(
    private readonly by: Caller,
    private readonly channel: string,
    /** When the recording began, in milliseconds since 1970: what was said before is not shown. */
    private readonly began: number,
    /** Somebody says something, as the picture has it, or lets it fly over the picture only. */
    private readonly said: (message: Message) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** The picture is now what was received then, in milliseconds since 1970. */
  tick(at: number): void {
    const step = this.#at === null ? null : at - this.#at;
    this.#at = at;
    if (step === null || step < -JUMP_MS || step > JUMP_MS) this.#jump(at);
    else if (step !== 0) this.#pass(at);
    if (this.#asking === null && this.#until - at < LEFT_MS && this.now() >= this.#notBefore) {
      void this.#fetch();
    }
  }

  close(): void {
    this.#asking?.abort();
  }

  #jump(at: number): void {
    this.#asking?.abort();
    this.#asking = null;
    this.#coming = [];
    this.#known.clear();
    this.lines = [];
    this.#until = at;
    void this.#context(at);
  }

  #pass(at: number): void {
    let due = 0;
    while (due < this.#coming.length && Date.parse(this.#coming[due]?.at ?? "") <= at) due += 1;
    if (due === 0) return;
    const said = this.#coming.splice(0, due);
    this.lines = [...this.lines, ...said.filter(({ danmaku }) => !danmaku)].slice(-SHOWN_MAX);
    for (const message of said) this.said(message);
  }

  /** What was said before the place that the viewer went to. */
  async #context(at: number): Promise<void> {
    await this.#ask(async (signal) => {
      const wanted = { limit: PAGE, before: new Date(at).toISOString() };
      const { items } = await messages(this.by, this.channel, wanted, signal);
      const since = items.filter(({ at }) => Date.parse(at) >= this.began);
      if (!signal.aborted) this.lines = this.#news(since).reverse();
    });
  }

  async #fetch(): Promise<void> {
    const [from, until] = [this.#until, Math.min(this.#until + AHEAD_MS, this.now() - FRESH_MS)];
    if (until <= from) return;
    await this.#ask(async (signal) => {
      const found: Message[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const place: { cursor: string } | { before: string } =
          cursor === null ? { before: new Date(until).toISOString() } : { cursor };
        const { items, next } = await messages(
          this.by,
          this.channel,
          { limit: PAGE, comments: true, ...place },
          signal,
        );
        const within = items.filter(({ at }) => Date.parse(at) >= from);
        found.push(...this.#news(within));
        cursor = next;
        if (cursor === null || within.length < items.length) break;
      }
      if (signal.aborted) return;
      this.#coming.push(...found.reverse());
      this.#until = until;
    });
  }

  async #ask(job: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const asking = (this.#asking = new AbortController());
    try {
      await job(asking.signal);
      this.failed = false;
    } catch {
      if (asking.signal.aborted) return;
      this.failed = true;
      this.#notBefore = this.now() + AGAIN_MS;
    }
    if (this.#asking === asking) this.#asking = null;
  }

  /** Those that are shown for the first time, without what was taken back. */
  #news(page: readonly Message[]): Message[] {
    const news = page.filter(({ id, deleted }) => !deleted && !this.#known.has(id));
    for (const { id } of news) this.#known.add(id);
    return news;
  }
}
