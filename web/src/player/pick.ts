import type { EngineFactory } from "./engine";
import { HlsEngine } from "./hls/engine";
import { NativeEngine } from "./native/engine";

/** The best engine that this browser has: ours wherever it runs, since it follows the live edge more closely. */
export const pickEngine: EngineFactory = (video, channel, report) =>
  HlsEngine.supported() || !NativeEngine.supported(video)
    ? new HlsEngine(video, channel, report)
    : new NativeEngine(video, channel, report);
