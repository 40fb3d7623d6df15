const NAME = "weir.account";
/** Of `window`, for this tab; other tabs hear of it from their storage. */
const HERE = "weir-account";

/** Tells the tabs of a browser that somebody is logged in: no secret, and no proof. */
export interface Mark {
  set(loggedIn: boolean): void;
}

/** Whether somebody was logged in when this browser last knew. */
export function isMarked(): boolean {
  try {
    return localStorage.getItem(NAME) !== null;
  } catch {
    return false;
  }
}

/** The mark that all tabs share. */
export const mark: Mark = {
  set(loggedIn) {
    try {
      // Each login is news to the other tabs: it may be somebody else's.
      if (loggedIn) localStorage.setItem(NAME, String(Date.now()));
      else localStorage.removeItem(NAME);
    } catch {
      // A browser that keeps nothing asks the server.
    }
    dispatchEvent(new CustomEvent(HERE, { detail: loggedIn }));
  },
};

/** Calls back when another tab logs in or out, until `signal` ends it. */
export function onMark(changed: (loggedIn: boolean) => void, signal: AbortSignal): void {
  const heard = (event: StorageEvent): void => {
    if (event.key === NAME) changed(event.newValue !== null);
  };
  addEventListener("storage", heard, { signal });
}

/** Calls back when any tab logs in or out, this one included. */
export function onAnyMark(changed: (loggedIn: boolean) => void): void {
  const heard = (event: Event): void => {
    if (event instanceof CustomEvent) changed(event.detail === true);
  };
  addEventListener(HERE, heard);
  onMark(changed, new AbortController().signal);
}
