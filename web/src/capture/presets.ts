/** A size of picture that can be asked for. */
export interface Size {
  lines: number;
  width: number;
  /** Bits a second that suit 30 pictures a second of a camera. */
  bitrate: number;
}

export const SIZES: readonly Size[] = [
  { lines: 1080, width: 1920, bitrate: 4_500_000 },
  { lines: 720, width: 1280, bitrate: 2_500_000 },
  { lines: 480, width: 854, bitrate: 1_200_000 },
  { lines: 360, width: 640, bitrate: 700_000 },
];

export const FRAME_RATES: readonly number[] = [60, 30, 15];

/** Twice the pictures are not twice the bits: most of the next picture is in the last one. */
const EXPONENT = 0.6;
/** Bitrates are offered in steps of this, in bits a second. */
export const BITRATE_STEP = 100_000;
export const BITRATE_MIN = 300_000;
export const BITRATE_MAX = 8_000_000;

export function sizeOf(lines: number): Size {
  const size = SIZES.find((one) => one.lines === lines) ?? SIZES[1];
  if (!size) throw new Error("there are sizes");
  return size;
}

/** Bits a second that suit so many lines and pictures a second. */
export function bitrateFor(lines: number, frameRate: number): number {
  const bitrate = sizeOf(lines).bitrate * (frameRate / 30) ** EXPONENT;
  const stepped = Math.round(bitrate / BITRATE_STEP) * BITRATE_STEP;
  return Math.min(BITRATE_MAX, Math.max(BITRATE_MIN, stepped));
}
