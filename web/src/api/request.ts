/** Longest an API call may take before it counts as failed, in milliseconds. */
const TIMEOUT_MS = 8_000;

/** An answer other than 2xx: a problem document (RFC 9457), or none when the server did not speak. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    /** HTTP status, or 0 when there was no answer. */
    readonly status: number,
    /** The problem's stable type, if the answer had one. */
    readonly type: string | null,
    message: string,
    /** After how many milliseconds the server wants to be asked again, if it said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** What is asked beyond an address. */
export interface Asked {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  headers?: Record<string, string>;
  /** Sent as JSON; a file as it is. */
  body?: unknown;
  signal?: AbortSignal;
  /** Goes on when the page is left. */
  keepalive?: boolean;
}

/** An answer, and the version of what it shows (`ETag`) where it has one. */
export interface Answer<T> {
  value: T;
  version: string | null;
}

/** Asks the API and reads its JSON (nothing, of an answer without content); anything else is thrown as a `Problem`. */
export async function ask<T>(path: string, asked: Asked = {}): Promise<Answer<T>> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const headers: Record<string, string> = { Accept: "application/json", ...asked.headers };
  const file = asked.body instanceof Blob ? asked.body : null;
  if (file) headers["Content-Type"] = file.type || "application/octet-stream";
  else if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method: asked.method ?? "GET",
      headers,
      body: file ?? (asked.body === undefined ? null : JSON.stringify(asked.body)),
      keepalive: asked.keepalive ?? false,
      signal: asked.signal ? AbortSignal.any([asked.signal, timeout]) : timeout,
    });
    if (response.ok) {
      const text = await response.text();
      const value: unknown = text === "" ? undefined : JSON.parse(text);
      return { value: value as T, version: response.headers.get("ETag") };
    }
  } catch (error) {
    throw new Problem(0, null, String(error));
  }
  throw await problemOf(response);
}

/** What `ask` answers to a `GET`, without its version. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask<T>(path, signal ? { signal } : {})).value;
}

/** What an answer that is not the wanted one says. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const field = (key: string): string | null => {
    const value: unknown = body && typeof body === "object" ? Reflect.get(body, key) : null;
    return typeof value === "string" ? value : null;
  };
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new Problem(
    response.status,
    field("type"),
    field("detail") ?? field("title") ?? response.statusText,
    Number.isFinite(seconds) ? seconds * 1_000 : null,
  );
}
