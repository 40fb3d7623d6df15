import Hls, { type HlsConfig, type LoaderContext } from "hls.js";

const XhrLoader = Hls.DefaultConfig.loader;

/**
 * Asks for whole playlists instead of delta updates. hls.js 1.7.4 counts time from the start of the first video playlist and
 * lets no fragment start before that (`updateFromToPTS`). Where sound starts earlier, if only by the jitter of an answer,
 * the first fragments are moved to 0 and all others by as much when a delta update keeps those: the position of sound
 * is then wrong, and loading stops until the next segment. A whole playlist is laid out anew by its dates each time,
 * and costs some 40 bytes more, compressed.
 */
class Whole extends XhrLoader {
  override load(...[context, config, callbacks]: Parameters<XhrLoaderType["load"]>): void {
    super.load(whole(context), config, callbacks);
  }
}

type XhrLoaderType = InstanceType<typeof XhrLoader>;

function whole(context: LoaderContext): LoaderContext {
  const url = new URL(context.url, location.href);
  url.searchParams.delete("_HLS_skip");
  // Kept in place: hls.js knows its request by this object.
  context.url = url.href;
  return context;
}

// hls.js hands its one loader class to every kind of request; only the declared contexts differ.
export const WholePlaylists = Whole as unknown as NonNullable<HlsConfig["pLoader"]>;
