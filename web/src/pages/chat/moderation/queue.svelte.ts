import { problemWords } from "../../../account/problem-words";
import { Problem } from "../../../api/request";
import type { Page } from "../../../api/channels";

/** A list of what moderators decide about, one by one. */
export class Queue<T> {
  /** Null while it was not read yet. */
  items = $state.raw<readonly T[] | null>(null);
  next = $state<string | null>(null);
  busy = $state(false);
  trouble = $state<string | null>(null);
  #again = false;

  constructor(
    private readonly ask: (cursor?: string) => Promise<Page<T>>,
    private readonly id: (item: T) => string,
  ) {}

  /** Reads it anew; when it is being read, once more after that. */
  async load(): Promise<void> {
    if (this.busy) {
      this.#again = true;
      return;
    }
    await this.#run(async () => {
      const { items, next } = await this.ask();
      [this.items, this.next] = [items, next];
    });
    if (!this.#again) return;
    this.#again = false;
    await this.load();
  }

  async more(): Promise<void> {
    const cursor = this.next;
    if (cursor === null || this.busy) return;
    await this.#run(async () => {
      const { items, next } = await this.ask(cursor);
      const known = new Set((this.items ?? []).map(this.id));
      const news = items.filter((item) => !known.has(this.id(item)));
      [this.items, this.next] = [[...(this.items ?? []), ...news], next];
    });
  }

  /** Decides about one, which leaves the list; also when somebody else was faster. */
  async decide(item: T, decision: () => Promise<void>): Promise<void> {
    await this.#run(async () => {
      try {
        await decision();
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
      }
      this.items = (this.items ?? []).filter((other) => this.id(other) !== this.id(item));
    });
  }

  async #run(job: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.trouble = null;
    try {
      await job();
    } catch (error) {
      this.trouble = problemWords(error);
    }
    this.busy = false;
  }
}
