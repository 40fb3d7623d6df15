import type { Answer, Asked } from "./request";

/** Somebody who is logged in: asks the API with their access token. */
export interface Caller {
  call<T>(path: string, asked?: Asked): Promise<Answer<T>>;
}
