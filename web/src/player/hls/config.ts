import type { HlsConfig, LoadPolicy, RetryConfig } from "hls.js";

import { WholePlaylists } from "./whole-playlists";

/** A server holds a playlist request for three target durations, 30 s at the longest; then the answer travels. */
const HELD_REQUEST_MS = 35_000;
/** Media comes at full speed once it is asked for. */
const MEDIA_REQUEST_MS = 15_000;
/** Tries a second apart: longer than the server waits for a publisher to come back. */
const RETRIES = 20;
/** Media kept behind the picture, in seconds: enough for a short step back, little for a phone. */
const BACK_BUFFER_S = 30;

/** What is gone for good is not asked for again; a server that is busy, restarting or out of reach is. */
const retry: RetryConfig = {
  maxNumRetry: RETRIES,
  retryDelayMs: 500,
  maxRetryDelayMs: 1_000,
  backoff: "linear",
  shouldRetry: (config, count, _isTimeout, response) => {
    const status = response?.code ?? 0;
    const refused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    return !!config && count < config.maxNumRetry && !refused;
  },
};

function policy(longestMs: number): LoadPolicy {
  const limits = { maxTimeToFirstByteMs: longestMs, maxLoadTimeMs: longestMs };
  return { default: { ...limits, timeoutRetry: retry, errorRetry: retry } };
}

/** hls.js as a low-latency live player. Catching up is `pace`'s work, so hls.js keeps its rate of 1. */
export const config: Partial<HlsConfig> = {
  lowLatencyMode: true,
  liveDurationInfinity: true,
  // The server's PART-HOLD-BACK says how far behind to play; `Cushion` says when that is too near.
  liveSyncOnStallIncrease: 0,
  backBufferLength: BACK_BUFFER_S,
  startFragPrefetch: true,
  // What the viewer fixed stays; if it cannot be had, the engine breaks and a new one chooses.
  preserveManualLevelOnError: true,
  // Begin with a picture, not with a measurement of the line.
  testBandwidth: false,
  abrEwmaDefaultEstimate: 5_000_000,
  pLoader: WholePlaylists,
  playlistLoadPolicy: policy(HELD_REQUEST_MS),
  fragLoadPolicy: policy(MEDIA_REQUEST_MS),
  // A missing stream is an answer, and the player asks again by itself.
  manifestLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: MEDIA_REQUEST_MS,
      maxLoadTimeMs: MEDIA_REQUEST_MS,
      timeoutRetry: null,
      errorRetry: null,
    },
  },
};
