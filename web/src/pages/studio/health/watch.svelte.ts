import type { Caller } from "../../../api/caller";
import { health, type Health } from "../../../api/health";
import { Problem } from "../../../api/request";
import { ASKED_EVERY_MS, sampleOf, withSample, type Sample } from "./history";

/** Between two questions while the server does not answer, in milliseconds. */
const ASKED_AGAIN_MS = 5_000;

/** How one's stream is, asked again and again while the page is seen. */
export class HealthWatch {
  now = $state.raw<Health | null>(null);
  history = $state.raw<Sample[]>([]);
  /** When the stream that ran while this page was open was seen to be over, in milliseconds since 1970. */
  endedAt = $state<number | null>(null);
  /** Why the last question had no answer. */
  trouble = $state.raw<unknown>(null);

  constructor(
    private readonly by: Caller,
    private readonly channel: string,
  ) {}

  /** Asks until the function that it gives is called. */
  start(): () => void {
    const closed = new AbortController();
    let next: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const round = async (): Promise<void> => {
      if (asking || document.hidden || closed.signal.aborted) return;
      clearTimeout(next);
      asking = true;
      const wait = await this.ask(closed.signal);
      asking = false;
      if (!closed.signal.aborted) next = setTimeout(() => void round(), wait);
    };
    document.addEventListener("visibilitychange", () => void round(), { signal: closed.signal });
    void round();
    return () => {
      closed.abort();
      clearTimeout(next);
    };
  }

  /** Asks once; gives how long to wait before the next question, in milliseconds. */
  private async ask(signal: AbortSignal): Promise<number> {
    try {
      this.take(await health(this.by, this.channel, signal), Date.now());
      return ASKED_EVERY_MS;
    } catch (error) {
      if (signal.aborted) return ASKED_AGAIN_MS;
      this.trouble = error;
      const asked = error instanceof Problem ? error.retryAfter : null;
      return Math.max(asked ?? 0, ASKED_AGAIN_MS);
    }
  }

  /** Takes an answer. */
  take(answer: Health, at: number): void {
    this.trouble = null;
    if (answer.live) this.endedAt = null;
    else if (this.now?.live) this.endedAt = at;
    this.now = answer;
    // Before the first stream there is nothing to draw.
    if (answer.live || this.history.length > 0) {
      this.history = withSample(this.history, sampleOf(answer, at));
    }
  }
}
