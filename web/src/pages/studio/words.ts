import type { Word } from "../../api/moderation";

/** A list with more words, one a line; what stood in it before is done with as is said now. */
export function joined(all: readonly Word[], text: string, action: Word["action"]): Word[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const added = new Set(lines.filter((line) => line !== ""));
  return [
    ...all.filter(({ word }) => !added.has(word)),
    ...[...added].map((word) => ({ word, action })),
  ];
}
