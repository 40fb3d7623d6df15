import Hls, { ErrorTypes, Events, type ErrorData } from "hls.js";

/** Safari's media elements know when a recording was made. */
interface DatedVideo extends HTMLVideoElement {
  getStartDate?: () => Date;
}

/** Media kept behind the picture, in seconds. */
const BACK_BUFFER_S = 60;

/** Plays a recorded playlist in a video element. */
export class Recording {
  #hls: Hls | null = null;
  #recovered = false;

  constructor(
    private readonly video: DatedVideo,
    url: string,
    /** It cannot be played, or not on. */
    private readonly failed: () => void,
  ) {
    if (!Hls.isSupported()) {
      video.addEventListener("error", failed, { once: true });
      video.src = url;
      return;
    }
    const hls = (this.#hls = new Hls({ backBufferLength: BACK_BUFFER_S, startPosition: 0 }));
    hls.on(Events.ERROR, (_, error) => this.#heard(error));
    hls.loadSource(url);
    hls.attachMedia(video);
  }

  /** When what is on screen was received, in milliseconds since 1970; null where the playlist does not say. */
  shownAt(): number | null {
    if (this.#hls) return this.#hls.playingDate?.getTime() ?? null;
    const start = this.video.getStartDate?.().getTime() ?? Number.NaN;
    return Number.isNaN(start) ? null : start + this.video.currentTime * 1_000;
  }

  close(): void {
    this.#hls?.destroy();
    this.video.removeAttribute("src");
  }

  #heard({ fatal, type }: ErrorData): void {
    if (!fatal) return;
    if (type === ErrorTypes.MEDIA_ERROR && !this.#recovered) {
      this.#recovered = true;
      this.#hls?.recoverMediaError();
    } else this.failed();
  }
}
