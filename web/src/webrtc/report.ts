/** The members of WebRTC statistics that are read. Browsers leave some of them out. */
export interface Stat {
  type: string;
  id: string;
  kind?: string;
  state?: string;
  nominated?: boolean;
  selectedCandidatePairId?: string;
  codecId?: string;
  mimeType?: string;
  packetsReceived?: number;
  bytesReceived?: number;
  responsesReceived?: number;
  framesDecoded?: number;
  framesPerSecond?: number;
  frameWidth?: number;
  frameHeight?: number;
  currentRoundTripTime?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  totalDecodeTime?: number;
  bytesSent?: number;
  packetsSent?: number;
  packetsLost?: number;
  roundTripTime?: number;
  qualityLimitationReason?: string;
}

/** Statistics as a browser gives them, or a `Map` in tests. */
export interface Source {
  forEach(callback: (stat: Stat) => void): void;
}

/** All statistics of one moment. */
export class Report {
  private readonly stats: Stat[] = [];

  constructor(source: Source) {
    source.forEach((stat) => this.stats.push(stat));
  }

  all(): readonly Stat[] {
    return this.stats;
  }

  of(type: string): Stat[] {
    return this.stats.filter((stat) => stat.type === type);
  }

  /** The pair of addresses that is in use. */
  pair(): Stat | undefined {
    const chosen = this.of("transport")[0]?.selectedCandidatePairId;
    const pairs = this.of("candidate-pair");
    return (
      pairs.find((pair) => pair.id === chosen) ??
      pairs.find((pair) => pair.nominated && pair.state === "succeeded")
    );
  }
}
