import type { Caller } from "../../api/caller";
import { makeKey, revokeKey } from "../../api/keys";

/** A key counts for so long, in milliseconds, should nobody be there to revoke it: longer than any stream. */
const COUNTS_MS = 7 * 24 * 3_600_000;

/** Stream keys of one's own channel, each for one stream. */
export class OwnKeys {
  #lent: string | null = null;

  constructor(
    private readonly by: Caller,
    private readonly now: () => number = Date.now,
  ) {}

  /** Makes a key for the stream that begins. */
  async lend(name: string): Promise<string> {
    const made = await makeKey(this.by, name, new Date(this.now() + COUNTS_MS));
    this.#lent = made.id;
    return made.key;
  }

  /** The stream is over: nobody can use its key again. */
  async giveBack(): Promise<void> {
    const id = this.#lent;
    this.#lent = null;
    // Should it fail, the key ends by itself.
    if (id !== null) await revokeKey(this.by, id).catch(() => {});
  }
}
