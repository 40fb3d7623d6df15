/** In this order: most browsers name others, whose likes they want to be. */
const BROWSERS: [RegExp, string][] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|HeadlessChrome|CriOS)\//, "Chrome"],
  [/\bVersion\/.*\bSafari\//, "Safari"],
];

const SYSTEMS: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

/** A `User-Agent` as people know it, such as `Firefox · Windows`; whatever it says where it is no browser's. */
export function agentName(agent: string): string {
  const named = (all: [RegExp, string][]): string | undefined =>
    all.find(([mark]) => mark.test(agent))?.[1];
  const browser = named(BROWSERS);
  if (!browser) return agent;
  const system = named(SYSTEMS);
  return system ? `${browser} · ${system}` : browser;
}
