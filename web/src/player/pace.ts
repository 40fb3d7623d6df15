import type { Progress } from "./engine";

/** Further behind than its target by this many seconds, a viewer jumps instead of catching up: 6 s would take 30 s. */
const JUMP_BEHIND_S = 6;
/** Behind by less than this is on time, in seconds: about two frames. */
const ON_TIME_S = 0.08;
/** Fastest catching up. Speech and music stay natural below it. */
const RATE_MAX = 1.2;
/** Media that must be loaded before catching up eats into it, in seconds. */
const AHEAD_MIN_S = 0.35;

export type Pace = { rate: number } | "jump";

/** How fast to play so that a viewer gets to where the server wants it, and `cushion` seconds more, and stays there. */
export function pace({ behind, target, ahead }: Progress, cushion: number): Pace {
  const late = behind - target - cushion;
  if (late > JUMP_BEHIND_S) return "jump";
  if (late < ON_TIME_S || ahead < AHEAD_MIN_S) return { rate: 1 };
  // In steps, since each change of rate costs the audio decoder a small effort.
  return { rate: Math.min(RATE_MAX, 1 + Math.ceil(late * 4) / 20) };
}
