import type { Engine, EngineFactory, Progress } from "./engine";

/** An engine whose code is still on its way. What it is told before is done when it is there. */
export function lazily(load: () => Promise<EngineFactory>): EngineFactory {
  return (video, channel, report) => {
    let engine: Engine | null = null;
    let destroyed = false;
    return {
      start() {
        load().then(
          (make) => {
            if (destroyed) return;
            engine = make(video, channel, report);
            engine.start();
          },
          () => {
            if (!destroyed) report({ type: "broken" });
          },
        );
      },
      destroy() {
        destroyed = true;
        engine?.destroy();
      },
      toLive: () => engine?.toLive(),
      progress: (): Progress | null => engine?.progress() ?? null,
      choose: (quality) => engine?.choose(quality),
    };
  };
}
