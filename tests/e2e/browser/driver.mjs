// Drives one Chromium for the tests: a command a line in (JSON), an answer a line out.
//
//   {"op":"goto","url":…}            {"op":"eval","code":…}        {"op":"wait","code":…,"ms":…}
//   {"op":"click","selector":…}      {"op":"press","key":…}        {"op":"size","width":…,"height":…}
//   {"op":"fill","selector":…,"text":…}                           {"op":"choose","selector":…,"value":…}
//   {"op":"attach","selector":…,"path":…}
//   {"op":"shot","path":…}           {"op":"complaints"}          {"op":"axe"}
//
// Answers: {"ok":VALUE} or {"error":TEXT}. `wait` polls an expression until it is truthy and answers its value.
// `complaints` gives what the pages complained of since the start: console errors, CSP violations, uncaught errors.
// `axe` looks for what keeps people from using the page and gives what is serious. `shot` takes all of the page with
// `"whole":true`.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const profile = await mkdtemp(join(tmpdir(), 'weir-browser-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  viewport: { width: 1280, height: 800 },
  ignoreHTTPSErrors: true,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--mute-audio',
    // A name of this machine that is no secure origin over plain HTTP, as other machines' names are none.
    '--host-resolver-rules=MAP weir.test 127.0.0.1',
    // A camera with a moving picture, a microphone with a tone, a screen; allowed without a question.
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    '--auto-select-desktop-capture-source=Entire screen',
    ...(process.env.CHROMIUM_SECURE_ORIGIN
      ? [`--unsafely-treat-insecure-origin-as-secure=${process.env.CHROMIUM_SECURE_ORIGIN}`]
      : []),
  ],
});
const page = context.pages()[0] ?? (await context.newPage());
const complaints = [];
page.on('console', (message) => {
  if (message.type() === 'error') complaints.push(`console: ${message.text()} ${message.location().url}`);
});
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
await page.addInitScript(() => {
  window.__started = performance.now();
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`CSP ${event.violatedDirective} refused ${event.blockedURI}`);
  });
});

const commands = {
  goto: async ({ url }) => void (await page.goto(url)),
  eval: ({ code }) => page.evaluate(code),
  // Asked from outside: the page's own policy forbids it to evaluate text.
  wait: async ({ code, ms }) => {
    for (const end = Date.now() + ms; Date.now() < end; await pause(50)) {
      const value = await page.evaluate(code).catch(() => null);
      if (value) return value;
    }
    throw new Error('it never came true');
  },
  click: async ({ selector }) => void (await page.click(selector, { timeout: 20_000 })),
  fill: async ({ selector, text }) => void (await page.fill(selector, text, { timeout: 20_000 })),
  choose: async ({ selector, value }) => void (await page.selectOption(selector, value, { timeout: 20_000 })),
  attach: async ({ selector, path }) => void (await page.setInputFiles(selector, path, { timeout: 20_000 })),
  press: async ({ key }) => void (await page.keyboard.press(key)),
  size: async ({ width, height }) => void (await page.setViewportSize({ width, height })),
  shot: async ({ path, whole }) => void (await page.screenshot({ path, fullPage: whole ?? false })),
  axe: async () => {
    const folder = new URL('node_modules/axe-core/', import.meta.url);
    await page.evaluate(await readFile(new URL('axe.min.js', folder), 'utf8'));
    const { passes, violations } = await page.evaluate(() => axe.run(document));
    if (passes.length === 0) throw new Error('axe looked at nothing');
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  },
  complaints: async () => complaints,
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    answer = { ok: (await commands[command.op](command)) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
await rm(profile, { recursive: true, force: true });
