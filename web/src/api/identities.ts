import type { Tokens } from "./account";
import type { Caller } from "./caller";
import { ask, get } from "./request";

/** Somebody else who may vouch for people. */
export interface Provider {
  name: string;
  display_name: string;
}

/** What somebody whom a provider vouched for is still asked for. */
export interface Ticket {
  wants: "code" | "username";
  /** What people read of the provider. */
  provider: string;
  /** A user name that is free. */
  username: string | null;
  /** The page of this server to go to then. */
  return_to: string;
}

/** An account elsewhere that opens one's own. */
export interface Identity {
  id: string;
  /** Null when the server does not know the provider any more. */
  provider: string | null;
  display_name: string;
}

export async function providers(): Promise<Provider[]> {
  return (await get<{ items: Provider[] }>("/api/v1/auth/providers")).items;
}

/** Where the browser must go to log in through a provider. */
export async function beginLogin(provider: string): Promise<string> {
  const path = `/api/v1/auth/oidc/${encodeURIComponent(provider)}`;
  return (await ask<{ url: string }>(path, { method: "POST", body: {} })).value.url;
}

export const ticket = (): Promise<Ticket> => get("/api/v1/auth/ticket");

export async function finishTicket(said: { otp: string } | { username: string }): Promise<Tokens> {
  return (await ask<Tokens>("/api/v1/auth/ticket", { method: "POST", body: said })).value;
}

export async function identities(by: Caller): Promise<Identity[]> {
  return (await by.call<{ items: Identity[] }>("/api/v1/me/identities")).value.items;
}

/** Where the browser must go to link an account there. It comes back to `returnTo`. */
export async function beginLink(
  by: Caller,
  provider: string,
  password: string,
  returnTo: string,
): Promise<string> {
  const body = { provider, password, return_to: returnTo };
  const asked = { method: "POST", body } as const;
  return (await by.call<{ url: string }>("/api/v1/me/identities", asked)).value.url;
}

export async function unlink(by: Caller, id: string): Promise<void> {
  await by.call(`/api/v1/me/identities/${encodeURIComponent(id)}`, { method: "DELETE" });
}
