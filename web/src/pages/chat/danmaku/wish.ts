import type { Way } from "../../../chat/wire";

const KEY = "weir.danmaku";

export const DENSITIES = ["low", "medium", "high"] as const;
export type Density = (typeof DENSITIES)[number];

export const WAYS: readonly Way[] = ["scroll", "top", "bottom"];
/** Colours of one's own comments: bright enough to be read on any picture. */
export const COLORS = [
  "#ffffff",
  "#ffd75e",
  "#ff9d5c",
  "#ff8fa3",
  "#e7a3ff",
  "#9db8ff",
  "#6fe0f5",
  "#8be38b",
] as const;
export type Color = (typeof COLORS)[number];

/** How the viewer wants comments to fly over the picture. */
export interface Wish {
  on: boolean;
  density: Density;
  /** In percent. */
  opacity: number;
  /** How one's own comments move. */
  way: Way;
  color: Color;
}

export const OPACITY_MIN = 20;

const PLAIN = { way: "scroll", color: COLORS[0] } as const;

/** What was wished for last, on any channel. Nothing flies unasked for who wants no motion. */
export function rememberedWish(): Wish {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const wish: Wish = { on: !still, density: "medium", opacity: 85, ...PLAIN };
  try {
    return { ...wish, ...read(localStorage.getItem(KEY)) };
  } catch {
    // Browsers that keep nothing for this site say so by throwing.
    return wish;
  }
}

export function rememberWish(wish: Wish): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(wish));
  } catch {
    // It is forgotten with the page, then.
  }
}

/** What of a remembered text is a wish. */
export function read(text: string | null): Partial<Wish> {
  const value: unknown = JSON.parse(text ?? "null");
  if (typeof value !== "object" || value === null) return {};
  const { on, density, opacity, way, color } = value as Record<string, unknown>;
  return {
    ...(typeof on === "boolean" ? { on } : {}),
    ...(DENSITIES.includes(density as Density) ? { density: density as Density } : {}),
    ...(typeof opacity === "number" && opacity >= OPACITY_MIN && opacity <= 100 ? { opacity } : {}),
    ...(WAYS.includes(way as Way) ? { way: way as Way } : {}),
    ...(COLORS.includes(color as Color) ? { color: color as Color } : {}),
  };
}
