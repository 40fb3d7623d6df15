import { expect, test } from "vitest";

import { takingTurns, type Shelf, type Turn } from "./turns";

/** A shelf of one process. */
class Memory implements Shelf {
  turn: Turn | null = null;

  async change(change: (turn: Turn | null) => Turn | null): Promise<void> {
    this.turn = change(this.turn);
  }
}

const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test("one job runs at a time, and all of them run", async () => {
  const shelf = new Memory();
  let running = 0;
  const job = async (): Promise<number> => {
    running += 1;
    expect(running).toBe(1);
    await aMoment();
    running -= 1;
    return 7;
  };
  const tabs = Array.from({ length: 5 }, () => takingTurns(shelf, job, aMoment));
  expect(await Promise.all(tabs)).toEqual([7, 7, 7, 7, 7]);
  expect(shelf.turn).toBeNull();
});

test("a job that fails gives its turn back", async () => {
  const shelf = new Memory();
  const failing = takingTurns(shelf, () => Promise.reject(new Error("no network")), aMoment);
  await expect(failing).rejects.toThrow("no network");
  expect(shelf.turn).toBeNull();
});

test("a tab that died keeps nobody waiting for ever, and takes nobody's turn when it comes back", async () => {
  const shelf = new Memory();
  shelf.turn = { holder: "a tab that died", until: 1_000 };
  let now = 0;
  const later = async (): Promise<void> => void (now += 400);
  const seen = await takingTurns(
    shelf,
    async () => shelf.turn,
    later,
    () => now,
  );
  expect(now).toBeGreaterThanOrEqual(1_000);
  expect(seen?.holder).not.toBe("a tab that died");

  const overtaken = takingTurns(shelf, async () => {
    shelf.turn = { holder: "the next", until: 9_999 };
  });
  await overtaken;
  expect(shelf.turn).toEqual({ holder: "the next", until: 9_999 });
});
