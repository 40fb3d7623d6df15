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

/** Asks the API and reads its JSON; anything else is thrown as a `Problem`. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      headers: { Accept: "application/json" },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (response.ok) return (await response.json()) as T;
  } catch (error) {
    throw new Problem(0, null, String(error));
  }
  throw await problemOf(response);
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
