/** The frames of a room: JSON objects, several in one array after `"batch": true`. */

/** What somebody is in a room, from nothing to everything. */
export const ROLES = ["viewer", "vip", "moderator", "owner"] as const;
export type Role = (typeof ROLES)[number];

export interface Person {
  id: string;
  name: string;
  /** Where it is not the name. */
  display_name?: string;
  role: Role;
}

export interface Message {
  id: string;
  user: Person;
  /** Empty once it was taken back. */
  text: string;
  /** RFC 3339. */
  at: string;
  reply_to?: { id: string; name: string };
  deleted?: boolean;
  /** How it flew over the picture. Only in history, of a comment that was said nowhere else. */
  danmaku?: { mode: "scroll" | "top" | "bottom"; color?: string };
}

/** What changes a room's transcript. Offsets grow by one. */
export type Entry = { offset: number } & (
  | ({ type: "message" } & Message)
  | { type: "deleted"; id: string; by: string }
  /** Everything, or what one account said; with a `sentence` it is banned from here on, until then or for good. */
  | { type: "cleared"; user: string | null; by: string; sentence?: { until: string | null } }
  | { type: "pinned"; message: Message | null; by: string }
);

export interface Settings {
  /** Seconds between two messages of one viewer; 0: none. */
  slow: number;
  /** Seconds that one must have followed the channel; null: anybody. */
  followers_only: number | null;
  members_only: boolean;
  emote_only: boolean;
  links_off: boolean;
  /** Nothing twice within ten minutes. */
  unique: boolean;
}

export interface Joined {
  type: "joined";
  /** What offsets count in. */
  epoch: string;
  offset: number;
  /** Whether everything follows that was missed; else a fresh page does. */
  recovered: boolean;
  /** Null reads only. */
  you: Person | null;
  settings: Settings;
  pinned: Message | null;
  /** Who is there, on all nodes. */
  present: number;
  /** The server's other nodes cannot be reached: who is there does not hear this one. */
  alone?: boolean;
}

/** Offsets count in another epoch from here on: the server's nodes lost one another, or found one another again. */
export interface Moved {
  type: "epoch";
  epoch: string;
  /** What came up to this offset stays, and what came after it is told again; null: a fresh page follows. */
  since: number | null;
  /** The last offset of what follows. */
  offset: number;
  alone: boolean;
}

/** How a bullet comment moves. */
export type Way = "scroll" | "top" | "bottom";

export interface Danmaku {
  id: string;
  user: Person;
  text: string;
  mode: Way;
  /** `#rrggbb`. */
  color?: string;
  /** RFC 3339. */
  at: string;
}

/** Who is there. */
export interface Viewers {
  type: "viewers";
  /** On all nodes, those without an account included. */
  count: number;
  /** Those with an account; null when they are too many. */
  people: Person[] | null;
}

export interface Failure {
  type: "error";
  code: string;
  /** In English. */
  text: string;
  /** Seconds. */
  retry_after: number | null;
  /** The client's id of the message that it is about. */
  id?: string;
}

/** What a server says. */
export type Frame =
  | Joined
  | Moved
  | Entry
  | { type: "ack"; id: string; offset: number; message: string }
  | { type: "presence"; count: number }
  | { type: "settings"; settings: Settings }
  | ({ type: "danmaku" } & Danmaku)
  | Viewers
  /** The emotes that may be written here are others. */
  | { type: "emotes" }
  /** What one is here changed. */
  | { type: "you"; you: Person }
  /** To moderators, when a queue changed: messages that wait for them, and those that were reported. */
  | { type: "held"; count: number }
  | { type: "reported"; count: number }
  | Failure
  | { type: "reconnect"; reason: string; within: number }
  | { type: "pong" };

/** What a client says once it has joined. */
export type Request =
  | { type: "say"; id: string; text: string; reply_to?: string }
  | { type: "danmaku"; text: string; mode: Way; color?: string }
  | { type: "delete"; id: string }
  | { type: "clear"; user?: string }
  | { type: "timeout"; user: string; seconds: number; reason?: string }
  /** With `address`, whoever comes from where they were last. */
  | { type: "ban"; user: string; reason?: string; address?: boolean }
  | { type: "unban"; user: string }
  | { type: "pin"; id: string | null }
  | { type: "settings"; settings: Settings }
  | { type: "viewers" }
  | { type: "ping" };

/** The frames in what a socket brings; none in what is not of this protocol. */
export function read(data: unknown): Frame[] {
  if (typeof data !== "string") return [];
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return [];
  }
  return (Array.isArray(value) ? value : [value]).filter(isFrame);
}

const isFrame = (value: unknown): value is Frame =>
  typeof value === "object" && value !== null && typeof Reflect.get(value, "type") === "string";

/** Whether a frame has a place in the transcript. Kinds that are not known yet have one too, or there would be a hole. */
export const isEntry = (frame: Frame): frame is Entry =>
  frame.type !== "joined" &&
  frame.type !== "ack" &&
  frame.type !== "epoch" &&
  Number.isSafeInteger(Reflect.get(frame, "offset"));
