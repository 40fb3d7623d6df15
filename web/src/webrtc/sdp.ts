/** The few things that WHIP and WHEP need done to session descriptions, as functions from text to text. */

/** ICE credentials and candidates of one side. */
export interface Ice {
  ufrag: string;
  pwd: string;
  /** Lines without `a=`. */
  candidates: string[];
}

const NEWLINE = "\r\n";
const CANDIDATE = /^a=(candidate:|end-of-candidates)/;

const linesOf = (sdp: string): string[] => sdp.split(/\r?\n/).filter((line) => line !== "");
const textOf = (lines: string[]): string => lines.map((line) => line + NEWLINE).join("");

/** Parameters of a codec (RFC 8866 §6.15). */
export type Parameters = Record<string, string | number>;

/** Adds parameters to the codecs of these names; one that they have already stays. */
export function withParameters(sdp: string, codecs: string[], parameters: Parameters): string {
  const lines = linesOf(sdp);
  const types = lines.flatMap((line) => {
    const [, type, name] = /^a=rtpmap:(\d+) ([^/]+)\//.exec(line) ?? [];
    return type && name && codecs.includes(name.toLowerCase()) ? type : [];
  });
  const wanted = Object.entries(parameters);
  for (const type of types) {
    const head = `a=fmtp:${type} `;
    const at = lines.findIndex((line) => line.startsWith(head));
    if (at < 0) {
      const map = lines.findIndex((line) => line.startsWith(`a=rtpmap:${type} `));
      lines.splice(map + 1, 0, head + wanted.map(([name, value]) => `${name}=${value}`).join(";"));
      continue;
    }
    const there = (lines[at] ?? "").slice(head.length).split(";");
    const names = new Set(there.map((parameter) => parameter.trim().split("=")[0]));
    const missing = wanted.filter(([name]) => !names.has(name));
    lines[at] = head + [...there, ...missing.map(([name, value]) => `${name}=${value}`)].join(";");
  }
  return textOf(lines);
}

/** The first credentials in a description or a fragment of one, and all its candidates; null without credentials. */
export function iceOf(sdp: string): Ice | null {
  const lines = linesOf(sdp);
  const value = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3);
  const ufrag = value("ice-ufrag");
  const pwd = value("ice-pwd");
  if (!ufrag || !pwd) return null;
  const candidates = lines.filter((line) => CANDIDATE.test(line)).map((line) => line.slice(2));
  return { ufrag, pwd, candidates };
}

/** What an offer says of ICE, as WHIP sends it in a PATCH: `application/trickle-ice-sdpfrag` (RFC 8840 §9, RFC 9725 §4.3). */
export function fragmentOf(offer: string): string | null {
  const ice = iceOf(offer);
  const lines = linesOf(offer);
  const group = lines.find((line) => line.startsWith("a=group:BUNDLE"));
  const first = lines.findIndex((line) => line.startsWith("m="));
  const mid = lines.slice(first).find((line) => line.startsWith("a=mid:"));
  if (!ice || first < 0 || !mid) return null;
  return textOf([
    ...(group ? [group] : []),
    // All else hangs on the first section: everything is bundled.
    lines[first] ?? "",
    mid,
    `a=ice-ufrag:${ice.ufrag}`,
    `a=ice-pwd:${ice.pwd}`,
    ...ice.candidates.map((candidate) => `a=${candidate}`),
  ]);
}

/** An earlier answer with new credentials, and new candidates if there are any; all else holds after an ICE restart. */
export function withIce(answer: string, { ufrag, pwd, candidates }: Ice): string {
  const out: string[] = [];
  for (const line of linesOf(answer)) {
    if (line.startsWith("a=ice-ufrag:")) out.push(`a=ice-ufrag:${ufrag}`);
    else if (line.startsWith("a=ice-pwd:")) out.push(`a=ice-pwd:${pwd}`);
    else if (candidates.length === 0 || !CANDIDATE.test(line)) out.push(line);
  }
  if (candidates.length > 0) {
    // A refused section (port 0) has no transport: candidates belong to the first one that has.
    const first = out.findIndex((line) => /^m=\S+ (?!0 )/.test(line));
    const next = out.findIndex((line, index) => index > first && line.startsWith("m="));
    const end = next < 0 ? out.length : next;
    out.splice(end, 0, ...candidates.map((candidate) => `a=${candidate}`));
  }
  return textOf(out);
}
