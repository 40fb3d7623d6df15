import type { Caller } from "./caller";
import { ask, type Answer } from "./request";

/** One's own account. */
export interface User {
  id: string;
  username: string;
  display_name: string;
  email?: string | null;
  role: "user" | "admin";
  /** Whether logging in asks for a code. */
  second_factor: boolean;
  created_at: string;
}

/** What a login gives. */
export interface Tokens {
  user: User;
  access_token: string;
  /** Seconds. */
  expires_in: number;
  /** Null where the browser keeps it in a cookie that pages cannot read. */
  refresh_token?: string | null;
}

/** Somewhere one is logged in. */
export interface Device {
  id: string;
  /** Its `User-Agent`. */
  device: string;
  address: string;
  created_at: string;
  used_at: string;
  current: boolean;
}

/** A second factor that waits for its first code. */
export interface Setup {
  /** `otpauth://`. */
  url: string;
  secret: string;
  recovery_codes: string[];
}

const post = async <T>(path: string, body: unknown): Promise<T> =>
  (await ask<T>(path, { method: "POST", body })).value;

export interface Registration {
  username: string;
  password: string;
  email: string | null;
}

export const register = (wanted: Registration): Promise<Tokens> =>
  post("/api/v1/auth/register", wanted);

/** Without `otp`, an account with a second factor is a `Problem` of type `second-factor-needed`. */
export const logIn = (username: string, password: string, otp: string | null): Promise<Tokens> =>
  post("/api/v1/auth/login", otp === null ? { username, password } : { username, password, otp });

/** The next tokens, by the browser's cookie, or by the token where there is no cookie. */
export const refresh = (token: string | null): Promise<Tokens> =>
  post("/api/v1/auth/refresh", token === null ? {} : { refresh_token: token });

export const logOut = (token: string | null): Promise<void> =>
  post("/api/v1/auth/logout", token === null ? {} : { refresh_token: token });

export const me = (by: Caller): Promise<Answer<User>> => by.call("/api/v1/me");

/** Changes one's account unless it was changed since `version`. An empty e-mail address is none. */
export const changeMe = (
  by: Caller,
  change: { display_name?: string; email?: string },
  version: string | null,
): Promise<Answer<User>> =>
  by.call("/api/v1/me", {
    method: "PATCH",
    body: change,
    headers: version === null ? {} : { "If-Match": version },
  });

/** Sets the password, and logs every other device out. */
export async function setPassword(by: Caller, current: string, next: string): Promise<void> {
  await by.call("/api/v1/me/password", { method: "POST", body: { current, new: next } });
}

/** Removes the account, its channel and everything that belongs to it. */
export async function deleteMe(by: Caller, password: string): Promise<void> {
  await by.call("/api/v1/me", { method: "DELETE", body: { password } });
}

export async function beginSecondFactor(by: Caller, password: string): Promise<Setup> {
  const asked = { method: "POST", body: { password } } as const;
  return (await by.call<Setup>("/api/v1/me/second-factor", asked)).value;
}

export async function confirmSecondFactor(by: Caller, otp: string): Promise<void> {
  await by.call("/api/v1/me/second-factor/confirm", { method: "POST", body: { otp } });
}

export async function endSecondFactor(by: Caller, password: string): Promise<void> {
  await by.call("/api/v1/me/second-factor", { method: "DELETE", body: { password } });
}

export async function devices(by: Caller): Promise<Device[]> {
  return (await by.call<{ items: Device[] }>("/api/v1/me/devices")).value.items;
}

export async function logDeviceOut(by: Caller, id: string): Promise<void> {
  await by.call(`/api/v1/me/devices/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** Logs every device out but this one. */
export async function logOthersOut(by: Caller): Promise<void> {
  await by.call("/api/v1/me/devices", { method: "DELETE" });
}
