import { expect, test } from "vitest";

import type { Caller } from "../../api/caller";
import { OwnKeys } from "./own-keys";

/** Somebody whose server makes keys, and what was asked of it. */
function caller(): Caller & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async call<T>(
      path: string,
      { method = "GET", body }: { method?: string; body?: unknown } = {},
    ) {
      asked.push(`${method} ${path} ${JSON.stringify(body ?? null)}`);
      const made = { id: `id-${asked.length}`, key: `key-${asked.length}` };
      return { value: made as T, version: null };
    },
  };
}

test("a key is made for one stream and revoked once it is over", async () => {
  const by = caller();
  const keys = new OwnKeys(by, () => 0);
  await keys.giveBack();
  expect(await keys.lend("here")).toBe("key-1");
  await keys.giveBack();
  await keys.giveBack();
  expect(by.asked).toEqual([
    'POST /api/v1/me/keys {"name":"here","expires_at":"1970-01-08T00:00:00.000Z"}',
    "DELETE /api/v1/me/keys/id-1 null",
  ]);
});
