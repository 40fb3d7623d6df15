import type { Caller } from "./caller";
import type { Page } from "./channels";

/** Roles that an owner gives. */
export const GIVEN_ROLES = ["moderator", "vip"] as const;
export type GivenRole = (typeof GIVEN_ROLES)[number];

/** Somebody's role in a channel. */
export interface Role {
  username: string;
  display_name: string;
  role: "owner" | GivenRole;
  /** RFC 3339. */
  since: string;
}

/** Somebody who is banned from a channel. */
export interface Ban {
  /** Null when the account is gone. */
  username: string | null;
  /** Who decided; null when that account is gone. */
  by: string | null;
  reason: string;
  at: string;
  /** Null for good. */
  until: string | null;
  /** Whether nobody else comes from the address they were at last. */
  address?: boolean;
}

/** What a ban is like. */
export interface Sentence {
  reason: string;
  /** Null for good. */
  until: Date | null;
  /** Whether nobody else comes from the address they were at last. */
  address: boolean;
}

const path = (channel: string, what: "roles" | "bans", username?: string): string => {
  const all = `/api/v1/channels/${encodeURIComponent(channel)}/${what}`;
  return username === undefined ? all : `${all}/${encodeURIComponent(username)}`;
};

/** Who has a role in a channel, its owner first. */
export async function roles(by: Caller, channel: string): Promise<Role[]> {
  return (await by.call<Page<Role>>(path(channel, "roles"))).value.items;
}

/** Gives somebody a role, in place of another. */
export async function giveRole(
  by: Caller,
  channel: string,
  username: string,
  role: GivenRole,
): Promise<void> {
  await by.call(path(channel, "roles", username), { method: "PUT", body: { role } });
}

export async function takeRole(by: Caller, channel: string, username: string): Promise<void> {
  await by.call(path(channel, "roles", username), { method: "DELETE" });
}

/** A page of those who are banned; `cursor` is the `next` of the page before. */
export async function bans(by: Caller, channel: string, cursor?: string): Promise<Page<Ban>> {
  const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  return (await by.call<Page<Ban>>(path(channel, "bans") + query)).value;
}

/** Bans somebody, in place of an earlier ban. */
export async function ban(
  by: Caller,
  channel: string,
  username: string,
  { reason, until, address }: Sentence,
): Promise<void> {
  const body = {
    reason,
    ...(until === null ? {} : { until: until.toISOString() }),
    ...(address ? { address } : {}),
  };
  await by.call(path(channel, "bans", username), { method: "PUT", body });
}

export async function liftBan(by: Caller, channel: string, username: string): Promise<void> {
  await by.call(path(channel, "bans", username), { method: "DELETE" });
}
