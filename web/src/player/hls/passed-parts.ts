/** What is looked at of hls.js's `Part`. */
export interface ListedPart {
  readonly fragment: { readonly sn: number | "initSegment" };
  readonly loaded: boolean;
  gap: boolean;
}

/**
 * Marks as gaps the parts that were passed over: not loaded, though a later part of their segment is.
 *
 * hls.js starts with the part that is due, mostly somewhere in a segment. While that segment's first parts are listed and
 * not loaded, hls.js 1.7.4 does not go on to the next segment if the buffer ends a microsecond before the segment's end
 * (`getFragmentAtPosition` finds the same segment again, `loadFragment` sees it buffered and does nothing): it loads
 * nothing until those parts leave the playlist, three seconds later. Gaps it does not wait for.
 */
export function markPassedParts(parts: readonly ListedPart[]): void {
  let loaded: number | "initSegment" | null = null;
  for (const part of [...parts].reverse()) {
    const { sn } = part.fragment;
    if (part.loaded) loaded = sn;
    else if (sn === loaded) part.gap = true;
  }
}
