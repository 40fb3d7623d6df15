/** A camera or microphone to choose. */
export interface Choice {
  id: string;
  name: string;
}

export type Kind = "videoinput" | "audioinput";

/** Names under which Chromium lists a device a second time. */
const ALIASES = ["default", "communications"];

/** The devices of a kind. Until a person allowed one, browsers give neither ids nor names, and the list is empty. */
export function choices(
  all: readonly MediaDeviceInfo[],
  kind: Kind,
  unnamed: (count: number) => string,
): Choice[] {
  return all
    .filter((one) => one.kind === kind && one.deviceId !== "" && !ALIASES.includes(one.deviceId))
    .map(({ deviceId, label }, index) => ({ id: deviceId, name: label || unnamed(index + 1) }));
}

/** Whether there is any device of a kind, allowed or not. */
export const present = (all: readonly MediaDeviceInfo[], kind: Kind): boolean =>
  all.some((one) => one.kind === kind);
