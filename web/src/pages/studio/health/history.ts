import type { Health } from "../../../api/health";

/** What the graphs draw. */
export const FIGURES = ["bitrate", "frameRate", "keyframeInterval"] as const;
export type Figure = (typeof FIGURES)[number];

/** What was known at a moment; null is a hole in the graphs. */
export interface Sample extends Record<Figure, number | null> {
  /** Milliseconds since 1970. */
  at: number;
}

/** How far back the graphs go, in milliseconds. */
export const HISTORY_MS = 5 * 60_000;
/** Between two questions while the page is seen, in milliseconds: the server measures over as long. */
export const ASKED_EVERY_MS = 2_000;
/** Answers further apart than this have a hole between them, in milliseconds. */
const HOLE_MS = 4 * ASKED_EVERY_MS;

/** An answer as a sample. */
export function sampleOf(health: Health, at: number): Sample {
  return {
    at,
    bitrate: health.live ? health.bitrate : null,
    frameRate: health.live ? health.frame_rate : null,
    keyframeInterval: health.live ? health.keyframe_interval : null,
  };
}

/** The history with one more sample, oldest first, without what is too old. */
export function withSample(history: readonly Sample[], sample: Sample): Sample[] {
  const last = history.at(-1);
  const kept = history.filter((known) => known.at >= sample.at - HISTORY_MS);
  // A clock that was set back begins the history anew.
  if (last && last.at >= sample.at) return [sample];
  if (last && sample.at - last.at > HOLE_MS) kept.push(hole(last.at + ASKED_EVERY_MS));
  return [...kept, sample];
}

const hole = (at: number): Sample => ({
  at,
  bitrate: null,
  frameRate: null,
  keyframeInterval: null,
});

/** The least and the most of a figure; null while there is none. */
export function span(
  history: readonly Sample[],
  figure: Figure,
): { least: number; most: number } | null {
  const known = history.map((sample) => sample[figure]).filter((value) => value !== null);
  return known.length === 0 ? null : { least: Math.min(...known), most: Math.max(...known) };
}

/** The history in steps for reading: means, and the longest keyframe interval; newest first. */
export function steps(history: readonly Sample[], stepMs: number): Sample[] {
  const groups = new Map<number, Sample[]>();
  for (const sample of history) {
    const begin = Math.floor(sample.at / stepMs) * stepMs;
    groups.set(begin, [...(groups.get(begin) ?? []), sample]);
  }
  const mean = (samples: Sample[], figure: Figure): number | null => {
    const known = samples.map((sample) => sample[figure]).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return [...groups]
    .map(([at, samples]) => ({
      at,
      bitrate: mean(samples, "bitrate"),
      frameRate: mean(samples, "frameRate"),
      keyframeInterval: span(samples, "keyframeInterval")?.most ?? null,
    }))
    .reverse();
}
