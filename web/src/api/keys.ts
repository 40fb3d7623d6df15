import type { Caller } from "./caller";

/** A stream key without its secret, which is shown once. */
export interface StreamKey {
  id: string;
  channel: string;
  name: string;
  /** Times are RFC 3339. */
  created_at: string;
  expires_at?: string | null;
  last_used_at?: string | null;
  revoked_at?: string | null;
}

/** A key that was just made, and where encoders take it. */
export interface MadeKey {
  id: string;
  key: string;
  rtmp: { server: string; key: string };
  whip: { url: string; token: string };
}

/** One's keys, those that were revoked lately included. */
export async function keys(by: Caller): Promise<StreamKey[]> {
  return (await by.call<{ items: StreamKey[] }>("/api/v1/me/keys")).value.items;
}

/** Makes a key of one's own channel, which counts until a time if one is given. */
export async function makeKey(
  by: Caller,
  name: string,
  until: Date | null = null,
): Promise<MadeKey> {
  const body = {
    ...(name === "" ? {} : { name }),
    ...(until === null ? {} : { expires_at: until.toISOString() }),
  };
  return (await by.call<MadeKey>("/api/v1/me/keys", { method: "POST", body })).value;
}

/** Revokes a key; whoever publishes with it is cut. Goes on when the page is left. */
export async function revokeKey(by: Caller, id: string): Promise<void> {
  const asked = { method: "DELETE", keepalive: true } as const;
  await by.call(`/api/v1/me/keys/${encodeURIComponent(id)}`, asked);
}
