import Danmaku from "danmaku/dist/esm/danmaku.dom.js";

import type { Piece } from "../pieces";
import type { Flying, Sky } from "../room.svelte";

/** How long a comment flies, in seconds. */
const FLIGHT_S = 8;
/** How much longer than a comment needs its lane is taken: longer ones fly faster, and catch up. */
const APART = 1.5;
/** How much of all lanes may be taken at once, in seconds. */
const AT_ONCE_S = 1.5;
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
  /** What stands at the bottom. */
  #below: Danmaku;
  #given = 0;
  /** In pixels. */
  #width = 1;
  #font = 16;
  #lanes = 1;
  /** What is free of the lanes, in seconds of one; grows with time. */
  #free = 0;
  #at = 0;
  readonly #shown = new Map<string, { user: string; node: HTMLElement }>();
  readonly #resized: ResizeObserver;

  constructor(
    private readonly container: HTMLElement,
    private readonly bottom: HTMLElement,
  ) {
    this.#danmaku = new Danmaku({ container });
    this.#below = new Danmaku({ container: bottom });
    this.#resized = new ResizeObserver(() => this.#fit());
    this.#resized.observe(container);
  }

  close(): void {
    this.#resized.disconnect();
    this.#danmaku.destroy();
    this.#below.destroy();
    this.#shown.clear();
  }

  fly({ id, user, text, pieces, mode, color }: Flying, own: boolean): void {
    const parts = shown(pieces ?? [{ type: "text", text }]);
    // What nobody sees would all fly at once when somebody looks again.
    if (document.hidden || !(this.#mayFly(letters(parts)) || own)) return;
    this.#begunAnew();
    const node = document.createElement("span");
    node.className = own ? "flying own" : "flying";
    node.append(...parts.map(drawn));
    if (color && COLOR.test(color)) node.style.color = color;
    this.#forget();
    this.#shown.set(id, { user: user.id, node });
    const where = mode === "bottom" ? this.#below : this.#danmaku;
    where.emit({ mode: MODES[mode ?? "scroll"] ?? "rtl", render: () => node });
  }

  land(gone: { id?: string; user?: string | null }): void {
    for (const [id, { user, node }] of this.#shown) {
      if (gone.id === id || gone.user === null || gone.user === user) node.textContent = "";
    }
  }

  /** Whether a lane is free for so many letters, which is then taken. */
  #mayFly(letters: number): boolean {
    const now = performance.now();
    const most = this.#lanes * AT_ONCE_S;
    this.#free = Math.min(most, this.#free + ((now - this.#at) / 1_000) * this.#lanes);
    this.#at = now;
    const width = letters * this.#font * 0.55;
    const needed = Math.min(most, ((FLIGHT_S * width) / (this.#width + width)) * APART);
    if (this.#free < needed) return false;
    this.#free -= needed;
    return true;
  }

  #fit(): void {
    const { offsetWidth, offsetHeight } = this.container;
    this.#width = Math.max(1, offsetWidth);
    // As the layer's style has it.
    this.#font = Math.min(30, Math.max(16, offsetWidth * 0.026));
    this.#lanes = Math.max(1, Math.floor(offsetHeight / (this.#font * LANE)));
    this.#danmaku.speed = this.#width / FLIGHT_S;
    this.#danmaku.resize();
    this.#below.resize();
  }

  #begunAnew(): void {
    this.#given += 1;
    if (this.#given <= GIVEN_MAX) return;
    this.#given = 1;
    this.#danmaku.destroy();
    this.#danmaku = new Danmaku({ container: this.container });
    this.#below.destroy();
    this.#below = new Danmaku({ container: this.bottom });
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

/** As much of a comment as flies. */
function shown(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = [];
  let room = CHARS_MAX;
  for (const piece of pieces) {
    if (room <= 0) break;
    const letters = Array.from(piece.text).slice(0, room);
    all.push(piece.type === "emote" ? piece : { type: "text", text: letters.join("") });
    room -= piece.type === "emote" ? 2 : letters.length;
  }
  return all;
}

/** How many letters a comment is wide. Those of Chinese, Korean and Japanese are as wide as high, others half as wide. */
function letters(pieces: readonly Piece[]): number {
  const wide = (text: string): number =>
    Array.from(text).reduce((sum, letter) => sum + (letter > "\u1100" ? 2 : 1), 0);
  return pieces.reduce((sum, { type, text }) => sum + (type === "emote" ? 3 : wide(text)), 0);
}

function drawn(piece: Piece): Node {
  if (piece.type !== "emote") return document.createTextNode(piece.text);
  const image = document.createElement("img");
  image.src = piece.emote.url;
  image.alt = piece.text;
  return image;
}
