/** How the connection of a session stands. */
export type Line =
  /** Not connected yet. */
  | "connecting"
  | "connected"
  /** It was, or should be, and is not; starting ICE anew may help. */
  | "interrupted"
  /** The far end said goodbye, or the handshake failed; nothing more will come. */
  | "closed";

/**
 * Works it out of the three states that a browser has. No one of them is enough: Chrome's `connectionState` stays
 * "connected" after the far end closed, which only the DTLS transport tells.
 */
export function lineOf(
  ice: RTCIceConnectionState,
  connection: RTCPeerConnectionState,
  dtls: readonly RTCDtlsTransportState[],
): Line {
  if (dtls.some((state) => state === "closed" || state === "failed")) return "closed";
  if (ice === "closed" || connection === "closed") return "closed";
  if (ice === "disconnected" || ice === "failed") return "interrupted";
  if (connection === "failed" || connection === "disconnected") return "interrupted";
  const there = dtls.length === 0 || dtls.every((state) => state === "connected");
  return (ice === "connected" || ice === "completed") && there ? "connected" : "connecting";
}
