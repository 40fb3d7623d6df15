import type { Way } from "./choice";
import type { EngineFactory } from "./engine";
import { lazily } from "./lazy";
import { WhepEngine } from "./whep/engine";

/** Whether this browser knows WebRTC at all. */
export const knowsWhep = (): boolean => WhepEngine.supported();

/** hls.js is larger than all the rest of the page together: it comes when it is needed. */
export const loadHls = (): Promise<EngineFactory> => import("./hls/pick").then(({ pick }) => pick);

/** What plays each way. */
export const engines: Record<Way, EngineFactory> = {
  whep: (video, channel, report) => new WhepEngine(video, channel, report),
  hls: lazily(loadHls),
};
