import type { Quality } from "./engine";

/** Frame rates above this are worth saying. */
const PLAIN_FRAME_RATE = 31;

/** A quality as people say it: `1080p60`; with its bitrate where two would be called the same. */
export function qualityName(quality: Quality, all: Quality[], soundOnly: string): string {
  const short = ({ lines, frameRate }: Quality): string =>
    lines === 0 ? soundOnly : `${lines}p${frameRate > PLAIN_FRAME_RATE ? frameRate : ""}`;
  const name = short(quality);
  const twins = all.filter((other) => short(other) === name).length;
  return twins > 1 ? `${name} · ${(quality.bitrate / 1e6).toFixed(1)} Mbit/s` : name;
}

/** Best first. */
export function byQuality(a: Quality, b: Quality): number {
  return b.lines - a.lines || b.frameRate - a.frameRate || b.bitrate - a.bitrate;
}
