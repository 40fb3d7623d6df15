/** Colours of names. */
const HUES = 8;

/** The colour of somebody's name: always the same. */
export function hue(id: string): number {
  let sum = 0;
  for (let at = 0; at < id.length; at += 1) sum = (sum * 31 + id.charCodeAt(at)) >>> 0;
  return sum % HUES;
}
