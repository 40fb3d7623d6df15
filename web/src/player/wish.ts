import type { Wish } from "./choice";

const KEY = "weir.way";
const WISHES: readonly string[] = ["auto", "whep", "hls"] satisfies Wish[];

/** How the viewer last wanted to watch, on any channel. */
export function rememberedWish(): Wish {
  try {
    const wish = localStorage.getItem(KEY) ?? "";
    return WISHES.includes(wish) ? (wish as Wish) : "auto";
  } catch {
    // Browsers that keep nothing for this site say so by throwing.
    return "auto";
  }
}

export function rememberWish(wish: Wish): void {
  try {
    localStorage.setItem(KEY, wish);
  } catch {
    // It is forgotten with the page, then.
  }
}
