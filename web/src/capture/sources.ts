import { sizeOf } from "./presets";

/** What is asked of a camera or a screen; a browser gives the nearest it has. */
export interface Picture {
  lines: number;
  frameRate: number;
}

/** Below this many pictures a second a screen is text rather than motion. */
const MOTION = 24;

/** Whether this page may use cameras at all: browsers allow it on secure origins only. */
export const mayCapture = (): boolean => "mediaDevices" in navigator;
/** Whether there is a screen to share; phones have none. */
export const mayShareScreen = (): boolean =>
  mayCapture() && "getDisplayMedia" in navigator.mediaDevices;

/** A camera's picture; null takes the one that the browser likes best. */
export async function openCamera(id: string | null, picture: Picture): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { ...pictureConstraints(picture), ...(id === null ? {} : { deviceId: { exact: id } }) },
  });
  return first(stream.getVideoTracks());
}

/** A microphone's sound. `clean` takes echo and noise out, which is good for speech and bad for music. */
export async function openMicrophone(id: string | null, clean: boolean): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      echoCancellation: clean,
      noiseSuppression: clean,
      autoGainControl: clean,
      ...(clean ? {} : { channelCount: { ideal: 2 } }),
      ...(id === null ? {} : { deviceId: { exact: id } }),
    },
  });
  return first(stream.getAudioTracks());
}

/** A screen or window that the person picks, and its sound where the browser gives that. */
export async function openScreen(
  picture: Picture,
): Promise<{ video: MediaStreamTrack; audio: MediaStreamTrack | null }> {
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { ...pictureConstraints(picture) },
    // What a computer plays is music as often as speech.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const video = first(stream.getVideoTracks());
  video.contentHint = picture.frameRate < MOTION ? "detail" : "motion";
  return { video, audio: stream.getAudioTracks()[0] ?? null };
}

/** Asks a running track for another size; one that cannot keeps its own. */
export async function reshape(track: MediaStreamTrack, picture: Picture): Promise<void> {
  await track.applyConstraints(pictureConstraints(picture)).catch(() => {});
}

function pictureConstraints({ lines, frameRate }: Picture): MediaTrackConstraints {
  const { width } = sizeOf(lines);
  return { width: { ideal: width }, height: { ideal: lines }, frameRate: { ideal: frameRate } };
}

function first(tracks: MediaStreamTrack[]): MediaStreamTrack {
  const [track] = tracks;
  if (!track) throw new DOMException("no track came", "NotFoundError");
  return track;
}
