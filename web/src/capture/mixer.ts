import { loudness } from "./level";

/** Samples of one look at the level: 43 ms at 48 kHz. */
const WINDOW = 2_048;

/** What can sound at once. */
export type Voice = "microphone" | "screen";

/** Several sounds as one track: what goes in may change while the track that comes out stays the same. */
export class Mixer {
  private readonly context = new AudioContext({ latencyHint: "interactive", sampleRate: 48_000 });
  private readonly out = this.context.createMediaStreamDestination();
  private readonly meter = this.context.createAnalyser();
  private readonly samples = new Float32Array(WINDOW);
  private readonly voices = new Map<Voice, { source: AudioNode; gain: GainNode }>();

  constructor() {
    this.meter.fftSize = WINDOW;
    this.meter.connect(this.out);
  }

  /** The mixed sound. */
  get track(): MediaStreamTrack | null {
    return this.out.stream.getAudioTracks()[0] ?? null;
  }

  /** Takes a sound in, instead of what this voice had; null takes it out. */
  set(voice: Voice, track: MediaStreamTrack | null): void {
    const before = this.voices.get(voice);
    before?.source.disconnect();
    before?.gain.disconnect();
    this.voices.delete(voice);
    if (!track) return;
    const source = this.context.createMediaStreamSource(new MediaStream([track]));
    const gain = this.context.createGain();
    source.connect(gain).connect(this.meter);
    this.voices.set(voice, { source, gain });
  }

  mute(voice: Voice, muted: boolean): void {
    const gain = this.voices.get(voice)?.gain.gain;
    // At once would click.
    gain?.setTargetAtTime(muted ? 0 : 1, this.context.currentTime, 0.01);
  }

  /** Browsers let sound run once the page was clicked. */
  async wake(): Promise<void> {
    if (this.context.state === "suspended") await this.context.resume();
  }

  /** How loud it is now, 0 to 1. */
  level(): number {
    this.meter.getFloatTimeDomainData(this.samples);
    return loudness(this.samples);
  }

  close(): void {
    void this.context.close();
  }
}
