import type { Caller } from "../../api/caller";
import { emotes, type Emote } from "../../api/community";

/** The pictures that can be written in a room. */
export class Emotes {
  all = $state.raw<readonly Emote[]>([]);
  readonly #byCode = $derived(new Map(this.all.map((emote) => [emote.code, emote])));

  constructor(
    private readonly by: Caller,
    private readonly channel: string,
  ) {}

  readonly find = (code: string): Emote | undefined => this.#byCode.get(code);

  /** Asks which there are. Where nobody answers, codes stay text. */
  async load(): Promise<void> {
    this.all = await emotes(this.by, this.channel).catch(() => this.all);
  }
}
