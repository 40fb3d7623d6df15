const NAME = "weir.key";

/** The stream key that the person asked this browser to keep, or nothing. */
export function rememberedKey(): string {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

/** Keeps a key, or forgets the one that was kept (null). */
export function rememberKey(key: string | null): void {
  try {
    if (key === null) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, key);
  } catch {
    // A browser that keeps nothing asks for it again.
  }
}
