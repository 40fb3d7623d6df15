import type { EngineFactory } from "../engine";
import { NativeEngine } from "../native/engine";
import { HlsEngine } from "./engine";

/** The best HLS engine that this browser has: ours wherever it runs, since it follows the live edge more closely. */
export const pick: EngineFactory = (video, channel, report) =>
  HlsEngine.supported() || !NativeEngine.supported(video)
    ? new HlsEngine(video, channel, report)
    : new NativeEngine(video, channel, report);
