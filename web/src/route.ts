/** The page that an address shows. */
export type Route =
  | { page: "home" }
  | { page: "golive" }
  | { page: "studio"; at: "studio" | "login" | "register" }
  | { page: "watch"; channel: string }
  | { page: "vod"; id: string }
  | { page: "missing" };

/** 3 to 32 of `[a-z0-9_]`, compared without case. */
const CHANNEL_NAME = /^[a-z0-9_]{3,32}$/;
const VOD = /^\/vod\/([0-9a-zA-Z-]{1,64})$/;

/** Reads `location.pathname`. Names of other routes never arrive here: the server answers those itself. */
export function route(pathname: string): Route {
  const path = pathname.replace(/\/+$/, "");
  if (path === "") return { page: "home" };
  // No channel can have these names.
  if (path === "/golive") return { page: "golive" };
  if (path === "/studio") return { page: "studio", at: "studio" };
  if (path === "/login") return { page: "studio", at: "login" };
  if (path === "/register") return { page: "studio", at: "register" };
  const vod = VOD.exec(path)?.[1];
  if (vod !== undefined) return { page: "vod", id: vod };
  const channel = path.slice(1).toLowerCase();
  return CHANNEL_NAME.test(channel) ? { page: "watch", channel } : { page: "missing" };
}
