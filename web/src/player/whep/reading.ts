import type { Report, Stat } from "../../webrtc/report";

/** What a running session tells of itself, out of `RTCPeerConnection.getStats()`. Counters count from its start. */
export interface Reading {
  /** RTP packets of all kinds. */
  packets: number;
  /** Decoded pictures; null when no picture ever came. */
  frames: number | null;
  /** Grows whenever the far end is heard, also when there is nothing to play. */
  heard: number;
  /** Seconds there and back; null until it was measured. */
  roundTrip: number | null;
  /** Of pictures, or of sound where there are none: seconds that all of them together were held, and how many there were. */
  held: number;
  emitted: number;
  /** Seconds that all pictures together took to decode. */
  decoding: number;
  /** Shorter side in pixels; 0 without pictures. */
  lines: number;
  frameRate: number;
  /** Bytes of media received. */
  bytes: number;
}

export function read(report: Report): Reading {
  const inbound = report.of("inbound-rtp");
  const sum = (member: (stat: Stat) => number | undefined): number =>
    inbound.reduce((total, stat) => total + (member(stat) ?? 0), 0);
  const pictures = inbound.find((stat) => stat.kind === "video" && (stat.packetsReceived ?? 0) > 0);
  const timed = pictures ?? inbound.find((stat) => stat.kind === "audio");
  const pair = report.pair();
  const packets = sum((stat) => stat.packetsReceived);
  return {
    packets,
    frames: pictures ? (pictures.framesDecoded ?? 0) : null,
    heard: packets + (pair?.responsesReceived ?? 0) + (pair?.bytesReceived ?? 0),
    roundTrip: pair?.currentRoundTripTime ?? null,
    held: timed?.jitterBufferDelay ?? 0,
    emitted: timed?.jitterBufferEmittedCount ?? 0,
    decoding: pictures?.totalDecodeTime ?? 0,
    lines: Math.min(pictures?.frameWidth ?? 0, pictures?.frameHeight ?? 0),
    frameRate: Math.round(pictures?.framesPerSecond ?? 0),
    bytes: sum((stat) => stat.bytesReceived),
  };
}

/**
 * Seconds from the server's sending to the screen: half the way there and back, and what the browser took to show a
 * picture (`onScreen`). Browsers that do not tell the latter tell how long pictures were held until they were whole and
 * due, and their decoding, of which the pictures between two readings are taken. Null while it is unknown.
 */
export function delay(before: Reading, after: Reading, onScreen: number | null): number | null {
  const emitted = after.emitted - before.emitted;
  if (after.roundTrip === null || emitted <= 0) return null;
  if (onScreen !== null && after.frames !== null) return after.roundTrip / 2 + onScreen;
  const decoded = (after.frames ?? 0) - (before.frames ?? 0);
  const decoding = decoded > 0 ? (after.decoding - before.decoding) / decoded : 0;
  return after.roundTrip / 2 + (after.held - before.held) / emitted + decoding;
}
