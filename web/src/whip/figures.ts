import type { Report } from "../webrtc/report";

/** How a publish fares. */
export interface Figures {
  /** Bits sent a second, of all layers, picture and sound. */
  bitrate: number;
  /** Pictures a second and lines of the best layer; 0 without a picture. */
  frameRate: number;
  width: number;
  height: number;
  /** Seconds there and back; null until the server reported. */
  roundTrip: number | null;
  /** Share of packets that were lost on the way, 0 to 1; null until the server reported. */
  lost: number | null;
  /** What keeps the picture below what was asked for. */
  limit: "none" | "cpu" | "bandwidth" | "other";
  /** Name of the picture's codec, such as H264. */
  codec: string | null;
}

/** Counters at one moment; two of them make rates. */
export interface Sample extends Omit<Figures, "bitrate" | "lost"> {
  bytes: number;
  sent: number;
  lostPackets: number | null;
  /** Milliseconds. */
  at: number;
}

export function sample(report: Report, at: number): Sample {
  const all = report.all();
  const outbound = all.filter((stat) => stat.type === "outbound-rtp");
  const remote = all.filter((stat) => stat.type === "remote-inbound-rtp");
  const sum = (values: (number | undefined)[]): number =>
    values.reduce<number>((total, value) => total + (value ?? 0), 0);
  const pictures = outbound
    .filter((stat) => stat.kind === "video")
    .sort((a, b) => (b.frameHeight ?? 0) - (a.frameHeight ?? 0));
  const best = pictures[0];
  const trips = remote.flatMap((stat) => stat.roundTripTime ?? []);
  const codec = all.find((stat) => stat.id === best?.codecId)?.mimeType;
  return {
    bytes: sum(outbound.map((stat) => stat.bytesSent)),
    sent: sum(outbound.map((stat) => stat.packetsSent)),
    lostPackets: remote.length > 0 ? sum(remote.map((stat) => stat.packetsLost)) : null,
    frameRate: Math.round(best?.framesPerSecond ?? 0),
    width: best?.frameWidth ?? 0,
    height: best?.frameHeight ?? 0,
    roundTrip: trips.length > 0 ? Math.max(...trips) : null,
    limit: limitOf(pictures.map((stat) => stat.qualityLimitationReason)),
    codec: codec?.split("/")[1] ?? null,
    at,
  };
}

export function figures(before: Sample, now: Sample): Figures {
  const seconds = Math.max(0.001, (now.at - before.at) / 1_000);
  const sent = now.sent - before.sent;
  const lost =
    now.lostPackets === null || sent <= 0
      ? null
      : Math.min(1, Math.max(0, now.lostPackets - (before.lostPackets ?? 0)) / sent);
  const { frameRate, width, height, roundTrip, limit, codec } = now;
  const bitrate = Math.max(0, ((now.bytes - before.bytes) * 8) / seconds);
  return { bitrate, frameRate, width, height, roundTrip, lost, limit, codec };
}

function limitOf(reasons: (string | undefined)[]): Figures["limit"] {
  if (reasons.includes("cpu")) return "cpu";
  if (reasons.includes("bandwidth")) return "bandwidth";
  return reasons.some((reason) => reason !== undefined && reason !== "none") ? "other" : "none";
}
