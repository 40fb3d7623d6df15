const KEY = "weir.danmaku";

export const DENSITIES = ["low", "medium", "high"] as const;
export type Density = (typeof DENSITIES)[number];

/** How the viewer wants comments to fly over the picture. */
export interface Wish {
  on: boolean;
  density: Density;
  /** In percent. */
  opacity: number;
}

export const OPACITY_MIN = 20;

/** What was wished for last, on any channel. Nothing flies unasked for who wants no motion. */
export function rememberedWish(): Wish {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const wish: Wish = { on: !still, density: "medium", opacity: 85 };
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
  const { on, density, opacity } = value as Record<string, unknown>;
  return {
    ...(typeof on === "boolean" ? { on } : {}),
    ...(DENSITIES.includes(density as Density) ? { density: density as Density } : {}),
    ...(typeof opacity === "number" && opacity >= OPACITY_MIN && opacity <= 100 ? { opacity } : {}),
  };
}
