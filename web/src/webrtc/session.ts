import { Problem } from "../api/request";
import { lineOf, type Line } from "./line";
import { post, type Resource } from "./resource";
import { fragmentOf, iceOf, withIce } from "./sdp";

/** Longest until a session stands, first or again, in milliseconds. A handshake through TCP on a slow line takes some seconds. */
const CONNECT_MS = 8_000;
/** An interruption often heals by itself; ICE is started anew after so long, in milliseconds. */
const HEAL_MS = 700;
/** While a network changes nothing gets through: what did not is sent again after so long, in milliseconds, or when the browser is online. */
const AGAIN_MS = 500;

export interface Options {
  /** Bearer token; null sends none. */
  token?: string | null;
  /** What to change in our offers. */
  prepare?: (offer: string) => string;
  /** What to change in the server's answer. */
  prepareAnswer?: (answer: string) => string;
  /** The line changed. After "closed" nothing more is told, and the session is of no use. */
  onLine: (line: Line) => void;
}

/**
 * One WHIP or WHEP session: an offer answered over HTTP, ICE started anew when the network changes, an end.
 * The peer connection is its maker's, but for its descriptions; `close` closes it.
 */
export class Session {
  private line: Line = "connecting";
  private repairing = false;
  private closed = false;
  private readonly gone = new AbortController();
  private healing: ReturnType<typeof setTimeout> | undefined;
  private waiting: ReturnType<typeof setTimeout> | undefined;

  /** Offers what `peer` has to `url`; throws a `Problem` when that is refused or the answer cannot be used. */
  static async open(peer: RTCPeerConnection, url: string, options: Options): Promise<Session> {
    const prepare = options.prepare ?? ((offer: string) => offer);
    try {
      const offer = prepare((await peer.createOffer()).sdp ?? "");
      // The server is ICE-lite and answers whoever asks it, so our candidates need not be gathered before, nor told.
      const opened = await post(url, offer, options.token ?? null);
      const { resource, iceServers } = opened;
      const answer = options.prepareAnswer?.(opened.answer) ?? opened.answer;
      try {
        if (iceServers.length > 0)
          peer.setConfiguration({ ...peer.getConfiguration(), iceServers });
        await peer.setLocalDescription({ type: "offer", sdp: offer });
        await peer.setRemoteDescription({ type: "answer", sdp: answer });
      } catch (error) {
        void resource.end();
        throw error;
      }
      return new Session(peer, resource, answer, prepare, options.onLine);
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Problem(0, null, String(error));
    }
  }

  private constructor(
    private readonly peer: RTCPeerConnection,
    private readonly resource: Resource,
    private answer: string,
    private readonly prepare: (offer: string) => string,
    private readonly onLine: (line: Line) => void,
  ) {
    const { signal } = this.gone;
    const look = (): void => this.look();
    peer.addEventListener("iceconnectionstatechange", look, { signal });
    peer.addEventListener("connectionstatechange", look, { signal });
    for (const transport of this.transports()) {
      transport.addEventListener("statechange", look, { signal });
    }
    const repair = (): void => this.repair();
    addEventListener("online", repair, { signal });
    connection()?.addEventListener("change", repair, { signal });
    addEventListener("pagehide", () => this.fail(), { signal });
    this.expectLine();
    this.look();
  }

  /** Where it is on the server; differs for each session. */
  get url(): string {
    return this.resource.url;
  }

  /** Starts ICE anew: the network changed, or nothing comes any more. Ends in "connected" or "closed". */
  repair(): void {
    if (this.closed || this.repairing || this.line === "connecting") return;
    this.repairing = true;
    clearTimeout(this.healing);
    this.expectLine();
    this.restart()
      .catch(() => this.fail())
      .finally(() => {
        this.repairing = false;
        this.look();
      });
  }

  /** Ends it, here and on the server. Nothing is told afterwards. */
  close(): void {
    if (!this.leave()) return;
    // A goodbye of the transport would be there first, and the server would not know what to delete.
    void this.resource.end().finally(() => this.peer.close());
  }

  private async restart(): Promise<void> {
    const offer = this.prepare((await this.peer.createOffer({ iceRestart: true })).sdp ?? "");
    const fragment = fragmentOf(offer);
    if (!fragment) throw new Error("an offer without ICE credentials");
    const ice = iceOf(await this.ask(fragment));
    if (!ice) throw new Error("an answer without ICE credentials");
    if (this.closed) return;
    this.answer = withIce(this.answer, ice);
    await this.peer.setLocalDescription({ type: "offer", sdp: offer });
    await this.peer.setRemoteDescription({ type: "answer", sdp: this.answer });
  }

  /** The server's answer to `fragment`. Asks until a request gets through or the session is given up. */
  private async ask(fragment: string): Promise<string> {
    for (;;) {
      try {
        return await this.resource.restart(fragment);
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 0) throw error;
        await online(this.gone.signal);
        if (this.closed) throw error;
      }
    }
  }

  private look(): void {
    if (this.closed) return;
    const dtls = [...this.transports()].map((transport) => transport.state);
    const line = lineOf(this.peer.iceConnectionState, this.peer.connectionState, dtls);
    if (line === "closed") return this.goodbye();
    if (line === "connected" && !this.repairing) {
      clearTimeout(this.waiting);
      clearTimeout(this.healing);
    }
    if (line === this.line) return;
    this.line = line;
    if (line === "interrupted") {
      clearTimeout(this.healing);
      this.healing = setTimeout(() => this.repair(), HEAL_MS);
    }
    this.onLine(line);
  }

  /** Gives up when the line does not stand in time. */
  private expectLine(): void {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.fail(), CONNECT_MS);
  }

  private fail(): void {
    if (this.closed) return;
    this.close();
    this.onLine("closed");
  }

  /** The far end closed it, and has forgotten it by now. */
  private goodbye(): void {
    if (!this.leave()) return;
    this.peer.close();
    this.onLine("closed");
  }

  private leave(): boolean {
    if (this.closed) return false;
    this.closed = true;
    this.gone.abort();
    clearTimeout(this.healing);
    clearTimeout(this.waiting);
    return true;
  }

  private transports(): Set<RTCDtlsTransport> {
    const ends = [...this.peer.getReceivers(), ...this.peer.getSenders()];
    return new Set(ends.flatMap(({ transport }) => transport ?? []));
  }
}

/** Until the network may be there again, or `gone`. */
function online(gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const done = (): void => {
      clearTimeout(waiting);
      over.abort();
      resolve();
    };
    const waiting = setTimeout(done, AGAIN_MS);
    addEventListener("online", done, { signal: over.signal });
    gone.addEventListener("abort", done, { signal: over.signal });
  });
}

/** Tells of changes of the network, in browsers that do. */
function connection(): EventTarget | undefined {
  return (navigator as { connection?: EventTarget }).connection;
}
