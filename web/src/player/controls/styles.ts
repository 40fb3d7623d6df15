/**
 * Lets media-chrome's elements run under a policy without inline styles.
 *
 * They write `<style>` with text into their shadow roots, which `style-src 'self'` forbids. The policy does
 * allow an empty one (by the hash of no text), and rules that script puts into it. So each element
 * that is registered from here on has its style texts taken out before it enters the page, and put back as
 * rules when it is there. The elements find the `<style>` they look for and change its rules as ever.
 *
 * Import this before any of media-chrome.
 */

/** Style texts that were taken out, by their now empty elements. */
const taken = new WeakMap<HTMLStyleElement, string>();

interface Lifecycle extends HTMLElement {
  connectedCallback?(): void;
}

const define = customElements.define.bind(customElements);

customElements.define = (name, element, options) => {
  if (!name.startsWith("media-")) return define(name, element, options);
  const base = element as unknown as new () => Lifecycle;

  class Styled extends base {
    constructor() {
      super();
      if (this.shadowRoot) takeOut(this.shadowRoot);
    }

    override connectedCallback(): void {
      if (this.shadowRoot) putBack(this.shadowRoot);
      super.connectedCallback?.();
    }
  }
  define(name, Styled, options);
};

function takeOut(root: ShadowRoot): void {
  for (const style of root.querySelectorAll("style")) {
    if (taken.has(style)) continue;
    taken.set(style, style.textContent ?? "");
    style.textContent = "";
  }
  // Elements inside would otherwise be made when they are in the page already.
  customElements.upgrade(root);
  for (const element of root.querySelectorAll("*")) {
    if (element.shadowRoot) takeOut(element.shadowRoot);
  }
}

function putBack(root: ShadowRoot): void {
  for (const style of root.querySelectorAll("style")) {
    const text = taken.get(style);
    const { sheet } = style;
    if (text === undefined || !sheet || sheet.cssRules.length > 0) continue;
    const parsed = new CSSStyleSheet();
    parsed.replaceSync(text);
    for (const rule of parsed.cssRules) sheet.insertRule(rule.cssText, sheet.cssRules.length);
  }
}
