import Hls, { type HlsConfig, type LoaderContext } from "hls.js";

const XhrLoader = Hls.DefaultConfig.loader;

/**
 * Asks for whole playlists instead of delta updates. hls.js 1.7 merges a delta update of an audio rendition wrongly while
 * only a segment's first parts are known: segments of two timelines stand beside each other, and no audio is loaded
 * for seconds. A whole playlist is some hundred bytes more, compressed.
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
