import { Problem, problemOf } from "../api/request";
import { iceServersOf } from "./link";

/** Longest a call may take before it counts as failed, in milliseconds. */
const TIMEOUT_MS = 8_000;

/** What the server made of an offer. */
export interface Opened {
  answer: string;
  resource: Resource;
  iceServers: RTCIceServer[];
}

/** Sends an offer to a WHIP or WHEP endpoint; anything but 201 is thrown as a `Problem`. */
export async function post(url: string, offer: string, token: string | null): Promise<Opened> {
  const response = await send(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...bearer(token) },
    body: offer,
  });
  const location = response.headers.get("Location");
  if (response.status !== 201 || location === null) throw await problemOf(response);
  return {
    answer: await response.text(),
    resource: new Resource(new URL(location, response.url || document.baseURI).href, token),
    iceServers: iceServersOf(response.headers.get("Link")),
  };
}

/** A WHIP or WHEP session as the server keeps it. */
export class Resource {
  constructor(
    readonly url: string,
    private readonly token: string | null,
  ) {}

  /** Starts ICE anew; gives the server's fragment (RFC 9725 §4.3.3). */
  async restart(fragment: string): Promise<string> {
    const response = await send(this.url, {
      method: "PATCH",
      // A restart holds whatever the ICE session was before.
      headers: {
        "Content-Type": "application/trickle-ice-sdpfrag",
        "If-Match": "*",
        ...bearer(this.token),
      },
      body: fragment,
    });
    if (response.status !== 200) throw await problemOf(response);
    return response.text();
  }

  /** Ends it. The request outlives the page; what comes of it matters to nobody. */
  async end(): Promise<void> {
    const request: RequestInit = { method: "DELETE", headers: bearer(this.token), keepalive: true };
    await fetch(this.url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => {});
  }
}

const bearer = (token: string | null): Record<string, string> =>
  token === null ? {} : { Authorization: `Bearer ${token}` };

async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Problem(0, null, String(error));
  }
}
