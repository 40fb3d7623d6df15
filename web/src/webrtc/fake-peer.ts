/** A peer connection for tests: it connects when it is told to. */
export class FakePeer extends EventTarget {
  static last: FakePeer;

  iceConnectionState: RTCIceConnectionState = "new";
  connectionState: RTCPeerConnectionState = "new";
  closed = false;
  offers = 0;
  stats: Record<string, unknown>[] = [];
  readonly transport = Object.assign(new EventTarget(), { state: "new" });
  readonly descriptions: string[] = [];
  readonly transceivers: { kind: string; track: unknown; init: RTCRtpTransceiverInit }[] = [];
  readonly senders: FakeSender[] = [];
  configuration: RTCConfiguration;

  constructor(configuration: RTCConfiguration = {}) {
    super();
    this.configuration = configuration;
    FakePeer.last = this;
  }

  addTransceiver(what: string | { kind: string }, init: RTCRtpTransceiverInit = {}): unknown {
    const kind = typeof what === "string" ? what : what.kind;
    const track = typeof what === "string" ? null : what;
    this.transceivers.push({ kind, track, init });
    const sender = new FakeSender(track, this.transport, init);
    this.senders.push(sender);
    return {
      sender,
      receiver: {},
      setCodecPreferences: () => {},
      mid: String(this.senders.length),
    };
  }

  createOffer(): Promise<RTCSessionDescriptionInit> {
    this.offers++;
    const ice = `a=ice-ufrag:ours${this.offers}\r\na=ice-pwd:secret${this.offers}\r\n`;
    const opus = "a=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
    const sdp = `v=0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${ice}${opus}`;
    return Promise.resolve({ type: "offer", sdp });
  }

  setLocalDescription({ sdp }: RTCSessionDescriptionInit): Promise<void> {
    this.descriptions.push(`local ${sdp}`);
    return Promise.resolve();
  }

  setRemoteDescription({ sdp }: RTCSessionDescriptionInit): Promise<void> {
    this.descriptions.push(`remote ${sdp}`);
    return Promise.resolve();
  }

  getConfiguration = (): RTCConfiguration => this.configuration;
  setConfiguration = (next: RTCConfiguration): void => void (this.configuration = next);
  getReceivers = (): unknown[] => [{ transport: this.transport }];
  getSenders = (): FakeSender[] => this.senders;
  getStats = (): Promise<Map<string, unknown>> =>
    Promise.resolve(new Map(this.stats.map((stat, index) => [String(index), stat])));
  close = (): void => void (this.closed = true);

  /** The state of ICE and of DTLS becomes what the test wants. */
  become(ice: RTCIceConnectionState, dtls: string): void {
    this.iceConnectionState = ice;
    this.connectionState = ice === "disconnected" || ice === "failed" ? ice : "connected";
    this.transport.state = dtls;
    this.dispatchEvent(new Event("iceconnectionstatechange"));
    this.transport.dispatchEvent(new Event("statechange"));
  }
}

class FakeSender {
  parameters: RTCRtpSendParameters;

  constructor(
    public track: unknown,
    readonly transport: unknown,
    init: RTCRtpTransceiverInit,
  ) {
    this.parameters = { encodings: init.sendEncodings ?? [{}] } as RTCRtpSendParameters;
  }

  getParameters = (): RTCRtpSendParameters => this.parameters;
  setParameters = (next: RTCRtpSendParameters): Promise<void> => {
    this.parameters = next;
    return Promise.resolve();
  };
  replaceTrack = (track: unknown): Promise<void> => {
    this.track = track;
    return Promise.resolve();
  };
}

/** One call that a `FakeServer` got. */
export interface Call {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** `fetch` for tests: answers as a WHIP or WHEP server does, or as the test says. */
export class FakeServer {
  readonly calls: Call[] = [];
  /** What to answer instead, by method; status 0 is no answer, as over a network that is gone. */
  refuse: Record<string, { status: number; headers?: Record<string, string> }> = {};
  links = "";
  private sessions = 0;

  fetch = (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const method = init.method ?? "GET";
    const headers = (init.headers ?? {}) as Record<string, string>;
    this.calls.push({ method, url: String(url), headers, body: String(init.body ?? "") });
    const refused = this.refuse[method];
    if (refused) {
      const { status, headers: more = {} } = refused;
      if (status === 0) return Promise.reject(new TypeError("Failed to fetch"));
      return Promise.resolve(new Response("{}", { status, headers: more }));
    }
    if (method === "POST") {
      const location = `/session/${++this.sessions}`;
      const answer = `v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:theirs\r\na=ice-pwd:theirs\r\n`;
      const all = { Location: location, ETag: '"1"', ...(this.links ? { Link: this.links } : {}) };
      return Promise.resolve(new Response(answer, { status: 201, headers: all }));
    }
    if (method === "PATCH") {
      return Promise.resolve(new Response("a=ice-ufrag:newer\r\na=ice-pwd:newer\r\n"));
    }
    return Promise.resolve(new Response(null, { status: 200 }));
  };

  methods(): string {
    return this.calls.map((call) => call.method).join(" ");
  }
}
