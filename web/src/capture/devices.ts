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

/** The id under which the list has the device of a running track: browsers may have opened it by an alias. */
export function chosen(
  all: readonly MediaDeviceInfo[],
  kind: Kind,
  { deviceId, groupId }: MediaTrackSettings,
): string | null {
  const real = all.filter((one) => one.kind === kind && !ALIASES.includes(one.deviceId));
  const one =
    real.find((device) => device.deviceId === deviceId) ??
    real.find((device) => groupId !== undefined && device.groupId === groupId) ??
    real[0];
  return one?.deviceId || null;
}
