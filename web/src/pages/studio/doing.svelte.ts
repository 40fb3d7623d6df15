import { problemWords } from "../../account/problem-words";

/** Something a person asked for: at most once at a time, and what came of it. */
export class Doing {
  busy = $state(false);
  /** What went wrong, in words. */
  trouble = $state<string | null>(null);
  done = $state(false);

  /** Runs a job unless one runs; whether it went well. `instead` may take a failure as its own, by answering true. */
  async run(job: () => Promise<unknown>, instead?: (error: unknown) => boolean): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.trouble = null;
    this.done = false;
    try {
      await job();
      this.done = true;
    } catch (error) {
      if (!instead?.(error)) this.trouble = problemWords(error);
    } finally {
      this.busy = false;
    }
    return this.done;
  }
}
