import type { Engine, EngineEvent, Progress } from "../engine";

/** Safari's media elements know when the stream was received. */
interface DatedVideo extends HTMLVideoElement {
  getStartDate?: () => Date;
}

/** The browser's own HLS player, for phones without Media Source Extensions. It chooses the quality by itself. */
export class NativeEngine implements Engine {
  static supported(video: HTMLVideoElement): boolean {
    return video.canPlayType("application/vnd.apple.mpegurl") !== "";
  }

  private readonly stopped = new AbortController();
  private readonly url: string;

  constructor(
    private readonly video: DatedVideo,
    channel: string,
    private readonly report: (event: EngineEvent) => void,
  ) {
    this.url = `/live/${encodeURIComponent(channel)}/index.m3u8`;
  }

  start(): void {
    const { signal } = this.stopped;
    this.video.addEventListener("error", () => this.report(failure(this.video)), { signal });
    // The browser ends a video only when its playlist did.
    this.video.addEventListener("ended", () => this.report({ type: "complete" }), {
      signal,
      capture: true,
    });
    void this.find();
  }

  destroy(): void {
    this.stopped.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  toLive(): void {
    const { seekable } = this.video;
    if (seekable.length > 0) this.video.currentTime = seekable.end(seekable.length - 1);
  }

  choose(): void {}

  progress(): Progress | null {
    const start = this.video.getStartDate?.().getTime() ?? Number.NaN;
    if (Number.isNaN(start)) return null;
    return {
      receivedAt: start + this.video.currentTime * 1_000,
      // It keeps its own distance and catches up by itself.
      behind: 0,
      target: 0,
      ahead: 0,
      quiet: 0,
      growsWithin: Number.POSITIVE_INFINITY,
    };
  }

  /** A media element does not tell a missing stream from a broken one, so the playlist is asked for first. */
  private async find(): Promise<void> {
    const { signal } = this.stopped;
    try {
      const response = await fetch(this.url, { signal });
      if (!response.ok) {
        this.report({ type: response.status === 404 ? "missing" : "broken" });
        return;
      }
      const session = firstUri(await response.text());
      if (signal.aborted) return;
      this.report({ type: "found", session });
      if (!signal.aborted) this.video.src = this.url;
    } catch {
      if (!signal.aborted) this.report({ type: "broken" });
    }
  }
}

/** The first media playlist of a multivariant one; its address names the publish. */
function firstUri(playlist: string): string {
  return playlist.split("\n").find((line) => line.trim() !== "" && !line.startsWith("#")) ?? "";
}

function failure(video: HTMLVideoElement): EngineEvent {
  const decode = video.error?.code === MediaError.MEDIA_ERR_DECODE;
  return { type: decode ? "unsupported" : "broken" };
}
