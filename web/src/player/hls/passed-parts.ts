/** What is looked at of hls.js's `Part`. */
export interface ListedPart {
  readonly fragment: { readonly sn: number | "initSegment" };
  readonly loaded: boolean;
  gap: boolean;
}

/**
 * Marks as gaps the parts that were passed over: not loaded, though a later part of their segment is.
 *
 * hls.js starts with the part that is due, mostly somewhere in a segment. If the buffer then ends a microsecond before that
 * segment does, as browsers round, hls.js 1.7.4 finds the same segment again as long as its first parts are listed and
 * not loaded (`getFragmentAtPosition`); lacking one part only, the segment counts as buffered, and nothing is loaded
 * until its parts leave the playlist, some three seconds later. For gaps it does not wait.
 */
export function markPassedParts(parts: readonly ListedPart[]): void {
  let loaded: number | "initSegment" | null = null;
  for (const part of [...parts].reverse()) {
    const { sn } = part.fragment;
    if (part.loaded) loaded = sn;
    else if (sn === loaded) part.gap = true;
  }
}
