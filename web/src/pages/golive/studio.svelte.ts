import type { Message } from "../../i18n";
import { choices, chosen, type Choice } from "../../capture/devices";
import { Mixer } from "../../capture/mixer";
import { bitrateFor } from "../../capture/presets";
import {
  mayCapture,
  mayShareScreen,
  openCamera,
  openMicrophone,
  openScreen,
  reshape,
} from "../../capture/sources";
import { screenTroubleOf, troubleOf } from "../../capture/trouble";
import { Publisher, type PublisherState } from "../../whip/client";
import type { Figures } from "../../whip/figures";
import { reasonOf } from "./reason";

export type Source = "camera" | "screen" | "none";

/** Between two looks at how the publish fares, in milliseconds. */
const FIGURES_EVERY_MS = 1_000;

interface WakeLock {
  release(): Promise<void>;
}

/** Everything behind the page "go live from this browser": what is captured, mixed and sent. */
export class Studio {
  /** Devices were asked for once; before that the page explains itself. */
  ready = $state(false);
  source = $state<Source>("camera");
  cameras = $state.raw<Choice[]>([]);
  microphones = $state.raw<Choice[]>([]);
  /** Chosen devices; null is the browser's favourite. */
  camera = $state<string | null>(null);
  microphone = $state<string | null>(null);
  muted = $state(false);
  clean = $state(true);
  /** The screen that is shared comes with sound. */
  screenSounds = $state(false);
  lines = $state(720);
  frameRate = $state(30);
  bitrate = $state(bitrateFor(720, 30));
  simulcast = $state(false);
  picture = $state.raw<MediaStreamTrack | null>(null);
  /** What keeps the picture or the microphone from being there. */
  pictureTrouble = $state<Message | null>(null);
  soundTrouble = $state<Message | null>(null);
  publishing = $state<PublisherState | null>(null);
  why = $state<Message | null>(null);
  /** What the server said of it, in its words. */
  whyDetail = $state<string | null>(null);
  startedAt = $state<number | null>(null);
  figures = $state.raw<Figures | null>(null);

  readonly capable = mayCapture();
  readonly canShareScreen = mayShareScreen();

  private mixer: Mixer | null = null;
  private voice: MediaStreamTrack | null = null;
  private screenSound: MediaStreamTrack | null = null;
  private publisher: Publisher | null = null;
  private looking: ReturnType<typeof setInterval> | undefined;
  private wakeLock: WakeLock | null = null;
  private readonly closed = new AbortController();
  /** Counts requests for a picture, so that an answer that comes late is known as such. */
  private asked = 0;

  constructor(private readonly unnamed: (kind: "camera" | "microphone", count: number) => string) {
    if (!this.capable) return;
    const { signal } = this.closed;
    const list = (): void => void this.list();
    navigator.mediaDevices.addEventListener("devicechange", list, { signal });
  }

  get onAir(): boolean {
    return this.publishing !== null && this.publishing !== "ended";
  }

  /** Opens what is chosen, the first time with the browser's question whether it may. */
  async open(source: Source): Promise<void> {
    this.ready = true;
    this.mixer ??= new Mixer();
    await this.mixer.wake().catch(() => {});
    // One after the other: browsers ask one question at a time.
    await this.show(source);
    if (!this.voice) await this.listen(this.microphone);
    await this.list();
  }

  /** Shows, and while live sends, another picture. */
  async show(source: Source, camera: string | null = this.camera): Promise<void> {
    const number = ++this.asked;
    this.pictureTrouble = null;
    try {
      let video: MediaStreamTrack | null = null;
      let audio: MediaStreamTrack | null = null;
      if (source === "camera") video = await openCamera(camera, this);
      if (source === "screen") ({ video, audio } = await openScreen(this));
      if (number !== this.asked || this.closed.signal.aborted) {
        video?.stop();
        audio?.stop();
        return;
      }
      this.source = source;
      this.camera = camera;
      this.take(video, audio);
    } catch (error) {
      if (number !== this.asked) return;
      this.pictureTrouble = source === "screen" ? screenTroubleOf(error) : troubleOf(error);
      if (source !== "screen" && !this.picture) this.source = source;
    }
  }

  /** Takes another microphone. */
  async listen(microphone: string | null): Promise<void> {
    this.soundTrouble = null;
    try {
      const track = await openMicrophone(microphone, this.clean);
      if (this.closed.signal.aborted) return track.stop();
      this.voice?.stop();
      this.voice = track;
      this.microphone = microphone;
      track.addEventListener("ended", () => {
        if (this.voice === track) this.loseVoice();
      });
      this.mixer?.set("microphone", track);
      this.mixer?.mute("microphone", this.muted);
    } catch (error) {
      this.soundTrouble = troubleOf(error);
    }
  }

  mute(muted: boolean): void {
    this.muted = muted;
    this.mixer?.mute("microphone", muted);
  }

  async setClean(clean: boolean): Promise<void> {
    this.clean = clean;
    if (this.voice) await this.listen(this.microphone);
  }

  /** Another size or pace; the bitrate follows. */
  async reshape(lines: number, frameRate: number): Promise<void> {
    this.lines = lines;
    this.frameRate = frameRate;
    this.bitrate = bitrateFor(lines, frameRate);
    if (this.picture) await reshape(this.picture, this);
    await this.publisher?.change(this.quality()).catch(() => {});
  }

  async setBitrate(bitrate: number): Promise<void> {
    this.bitrate = bitrate;
    await this.publisher?.change(this.quality()).catch(() => {});
  }

  /** How loud what is sent is, 0 to 1. */
  level(): number {
    return this.mixer?.level() ?? 0;
  }

  start(key: string): void {
    this.why = null;
    this.whyDetail = null;
    this.startedAt = null;
    const publisher = new Publisher({
      key,
      quality: this.quality(),
      onState: (state, why) => {
        this.publishing = state;
        if (state === "live") this.startedAt ??= Date.now();
        if (state !== "ended") return;
        this.why = reasonOf(why);
        this.whyDetail = why?.status === 409 || why?.status === 415 ? why.message : null;
        this.rest();
      },
    });
    this.publisher = publisher;
    publisher.start({ video: this.picture, audio: this.mixer?.track ?? null });
    this.looking = setInterval(() => void this.look(publisher), FIGURES_EVERY_MS);
    void this.stayAwake();
  }

  stop(): void {
    this.publisher?.stop();
    this.publishing = null;
    this.rest();
  }

  /** Frees every device. */
  close(): void {
    this.closed.abort();
    this.stop();
    this.picture?.stop();
    this.voice?.stop();
    this.screenSound?.stop();
    this.mixer?.close();
  }

  private take(video: MediaStreamTrack | null, audio: MediaStreamTrack | null): void {
    this.picture?.stop();
    this.screenSound?.stop();
    this.picture = video;
    this.screenSound = audio;
    this.screenSounds = audio !== null;
    this.mixer?.set("screen", audio);
    void this.publisher?.replace("video", video);
    video?.addEventListener("ended", () => {
      if (this.picture === video) this.losePicture();
    });
  }

  /** The device is gone, or the person stopped sharing in the browser's own bar. */
  private losePicture(): void {
    const shared = this.source === "screen";
    this.take(null, null);
    if (shared) void this.show("camera");
    else this.pictureTrouble = "golive.trouble.gone";
  }

  private loseVoice(): void {
    this.voice = null;
    this.mixer?.set("microphone", null);
    this.soundTrouble = "golive.trouble.gone";
  }

  private async list(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    this.cameras = choices(all, "videoinput", (count) => this.unnamed("camera", count));
    this.microphones = choices(all, "audioinput", (count) => this.unnamed("microphone", count));
    // The browser's favourite is shown as what it is.
    if (this.source === "camera" && this.picture) {
      this.camera ??= chosen(all, "videoinput", this.picture.getSettings());
    }
    if (this.voice) this.microphone ??= chosen(all, "audioinput", this.voice.getSettings());
  }

  private async look(publisher: Publisher): Promise<void> {
    const figures = await publisher.figures().catch(() => null);
    if (this.publisher === publisher && figures) this.figures = figures;
  }

  private quality(): { lines: number; frameRate: number; bitrate: number; simulcast: boolean } {
    const { lines, frameRate, bitrate, simulcast } = this;
    return { lines, frameRate, bitrate, simulcast };
  }

  private rest(): void {
    clearInterval(this.looking);
    this.publisher = null;
    this.figures = null;
    this.startedAt = null;
    void this.wakeLock?.release().catch(() => {});
    this.wakeLock = null;
  }

  /** Phones that darken their screen stop their camera. */
  private async stayAwake(): Promise<void> {
    const { wakeLock } = navigator as { wakeLock?: { request(type: "screen"): Promise<WakeLock> } };
    const lock = await wakeLock?.request("screen").catch(() => null);
    if (this.onAir) this.wakeLock = lock ?? null;
    else void lock?.release().catch(() => {});
  }
}
