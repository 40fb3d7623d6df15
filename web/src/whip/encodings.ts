/** What a picture is sent as. */
export interface Quality {
  /** Shorter side, in pixels. */
  lines: number;
  /** Pictures a second. */
  frameRate: number;
  /** Bits a second of the best layer. */
  bitrate: number;
  /** Smaller pictures beside the full one, so that viewers on slow lines get one of those. */
  simulcast: boolean;
}

/** Layers below the full picture: how much smaller each side is, and its share of the bitrate. */
const LAYERS = [
  { rid: "m", scale: 2, share: 0.3 },
  { rid: "l", scale: 4, share: 0.1 },
];
/** Fewest bits a second of a layer that is worth looking at. */
const LAYER_MIN = 120_000;

export function encodingsOf({
  bitrate,
  frameRate,
  simulcast,
}: Quality): RTCRtpEncodingParameters[] {
  const full = { maxBitrate: bitrate, maxFramerate: frameRate };
  if (!simulcast) return [full];
  return [
    { rid: "h", ...full },
    ...LAYERS.map(({ rid, scale, share }) => ({
      rid,
      scaleResolutionDownBy: scale,
      maxBitrate: Math.max(LAYER_MIN, Math.round(bitrate * share)),
      maxFramerate: frameRate,
    })),
  ];
}

/** H.264 first, which every viewer and LL-HLS can play without a transcoder; the others in the browser's order. */
export function h264First(codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const rank = ({ mimeType, sdpFmtpLine = "" }: RTCRtpCodec): number => {
    if (!/^video\/h264$/i.test(mimeType)) return 2;
    return sdpFmtpLine.includes("packetization-mode=1") ? 0 : 1;
  };
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}
