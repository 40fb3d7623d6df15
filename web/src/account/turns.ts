/** A turn that some tab has, until it gives it back or its time is over. */
export interface Turn {
  holder: string;
  /** Milliseconds since 1970. */
  until: number;
}

/** What all tabs of a browser share. */
export interface Shelf {
  /** Puts what `change` makes of what is there, and lets nobody between. */
  change(change: (turn: Turn | null) => Turn | null): Promise<void>;
}

/** A tab that dies in its turn keeps the others waiting so long, in milliseconds: longer than a request may take. */
const TURN_MS = 10_000;
/** How often a tab that waits looks again, in milliseconds. */
const LOOK_EVERY_MS = 50;

const afterAWhile = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));

/** Runs a job while no other tab runs one, where the browser has no locks: it gives them to pages of HTTPS alone. */
export async function takingTurns<T>(
  shelf: Shelf,
  job: () => Promise<T>,
  wait: () => Promise<void> = afterAWhile,
  now: () => number = Date.now,
): Promise<T> {
  // `crypto.randomUUID` is for pages of HTTPS as well.
  const me = crypto.getRandomValues(new Uint32Array(4)).join("-");
  for (let mine = false; !mine;) {
    await shelf.change((turn) => {
      mine = turn === null || turn.until <= now();
      return mine ? { holder: me, until: now() + TURN_MS } : turn;
    });
    if (!mine) await wait();
  }
  try {
    return await job();
  } finally {
    await shelf.change((turn) => (turn?.holder === me ? null : turn));
  }
}

/** A shelf in IndexedDB, whose transactions exclude each other in all tabs. */
export async function openShelf(): Promise<Shelf> {
  const opening = indexedDB.open("weir.account", 1);
  opening.onupgradeneeded = () => void opening.result.createObjectStore("turns");
  const database = await done(opening);
  return {
    async change(change) {
      const turns = database.transaction("turns", "readwrite").objectStore("turns");
      const turn: unknown = await done(turns.get("turn"));
      const next = change(isTurn(turn) ? turn : null);
      if (next) await done(turns.put(next, "turn"));
      else await done(turns.delete("turn"));
    },
  };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

const isTurn = (value: unknown): value is Turn =>
  typeof value === "object" && value !== null && "holder" in value && "until" in value;
