import Danmaku from "danmaku/dist/esm/danmaku.dom.js";

import type { Flying, Sky } from "../room.svelte";

/** How long a comment flies, in seconds. */
const FLIGHT_S = 8;
/** Comments a second that a lane has room for, of usual length; others only stand in the chat. */
const A_SECOND = 0.35;
/** Comments whose nodes are known, at least; of more, those that have flown away are forgotten. */
const KNOWN = 200;
/** Longest comment that flies, in characters. */
const CHARS_MAX = 100;
/** Comments after which another instance of the library goes on: it keeps all that it was ever given. */
const GIVEN_MAX = 5_000;
/** Height of a lane, in heights of its letters. */
const LANE = 1.6;
const COLOR = /^#[0-9a-f]{6}$/i;
const MODES = { scroll: "rtl", top: "top", bottom: "bottom" } as const;

/** Comments that fly over a picture. */
export class Stage implements Sky {
  #danmaku: Danmaku;
  #given = 0;
  #lanes = 1;
  /** How many may fly now; grows with time. */
  #room = 0;
  #at = 0;
  readonly #shown = new Map<string, { user: string; node: HTMLElement }>();
  readonly #resized: ResizeObserver;

  constructor(private readonly container: HTMLElement) {
    this.#danmaku = new Danmaku({ container });
    this.#resized = new ResizeObserver(() => this.#fit());
    this.#resized.observe(container);
  }

  close(): void {
    this.#resized.disconnect();
    this.#danmaku.destroy();
    this.#shown.clear();
  }

  fly({ id, user, text, mode, color }: Flying, own: boolean): void {
    // What nobody sees would all fly at once when somebody looks again.
    if (document.hidden || !(own || this.#mayFly())) return;
    this.#begunAnew();
    const node = document.createElement("span");
    node.className = own ? "flying own" : "flying";
    node.textContent = Array.from(text).slice(0, CHARS_MAX).join("");
    if (color && COLOR.test(color)) node.style.color = color;
    this.#forget();
    this.#shown.set(id, { user: user.id, node });
    this.#danmaku.emit({ mode: MODES[mode ?? "scroll"] ?? "rtl", render: () => node });
  }

  land(gone: { id?: string; user?: string | null }): void {
    for (const [id, { user, node }] of this.#shown) {
      if (gone.id === id || gone.user === null || gone.user === user) node.textContent = "";
    }
  }

  #mayFly(): boolean {
    const now = performance.now();
    const grown = ((now - this.#at) / 1_000) * this.#lanes * A_SECOND;
    this.#room = Math.min(this.#lanes, this.#room + grown);
    this.#at = now;
    if (this.#room < 1) return false;
    this.#room -= 1;
    return true;
  }

  #fit(): void {
    this.#danmaku.speed = Math.max(1, this.container.offsetWidth) / FLIGHT_S;
    this.#danmaku.resize();
    const { offsetWidth, offsetHeight } = this.container;
    // As the layer's style has it.
    const font = Math.min(30, Math.max(16, offsetWidth * 0.026));
    this.#lanes = Math.max(1, Math.floor(offsetHeight / (font * LANE)));
  }

  #begunAnew(): void {
    this.#given += 1;
    if (this.#given <= GIVEN_MAX) return;
    this.#given = 1;
    this.#danmaku.destroy();
    this.#danmaku = new Danmaku({ container: this.container });
    this.#fit();
  }

  /** Forgets what has flown away. */
  #forget(): void {
    for (const [id, { node }] of this.#shown) {
      // Comments fly for equally long: the first that is still there ends the search.
      if (node.isConnected || this.#shown.size < KNOWN) return;
      this.#shown.delete(id);
    }
  }
}
