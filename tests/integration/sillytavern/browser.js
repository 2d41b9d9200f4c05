// Chromium under remote control, for tests that watch a real SillyTavern. The Python side (tab.py) writes one JSON command a line
// to stdin; each is answered by one line {id, ok} or {id, error}. What goes wrong in a tab is a line {tab, problem}.
// Functions come as source text and run in the page; `wait` runs one in every frame until it gives something true.
//   node browser.js CHROMIUM

'use strict';

const launch = require('../chromium');
const obey = require('../obey');

const tabs = new Map();
let browser;

const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** In the page: the function with this source, applied to the argument. */
const call = (page, source, given, timeout) =>
  Promise.race([
    page.evaluate(([code, value]) => (0, eval)(`(${code})`)(value), [source, given]),
    new Promise((_, reject) => setTimeout(() => reject(new Error(`no answer of the page in ${timeout} ms: ${source.slice(0, 200)}`)), timeout).unref()),
  ]);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * In the page: clicks the element if a pointer would reach it. In one turn of the page: what lays itself out meanwhile does not
 * move away between the button's going down and up.
 */
function clicked(element) {
  element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const { left, top, width, height } = element.getBoundingClientRect();
  const reached = document.elementFromPoint(left + width / 2, top + height / 2);
  if (!reached || !element.contains(reached) || element.disabled) return false;
  if (element.tabIndex >= 0) element.focus({ preventScroll: true });
  element.click();
  return true;
}

const commands = {
  /** A tab of a new profile, or of the profile of the tab `beside`. */
  async open({ tab, url, beside, options }) {
    const context = beside ? tabs.get(beside).context() : await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.on('pageerror', (error) => write({ tab, problem: `exception: ${error.stack ?? error}` }));
    page.on('console', (message) => {
      if (message.type() === 'error') write({ tab, problem: `console: ${message.text()}` });
    });
    page.on('dialog', (dialog) => {
      if (dialog.type() === 'beforeunload') return void dialog.accept().catch(() => {}); // whether to leave what is unsaved
      write({ tab, problem: `dialog: ${dialog.message()}` });
      void dialog.dismiss().catch(() => {});
    });
    tabs.set(tab, page);
    await page.goto(url, { waitUntil: 'domcontentloaded' });
  },
  async reload({ tab }) {
    await tabs.get(tab).reload({ waitUntil: 'domcontentloaded' });
  },
  evaluate: ({ tab, source, given, timeout }) => call(tabs.get(tab), source, given, timeout),
  async wait({ tab, source, given, timeout }) {
    const found = await tabs.get(tab).waitForFunction(([code, value]) => (0, eval)(`(${code})`)(value), [source, given], { timeout });
    return found.jsonValue();
  },
  async click({ tab, selector, timeout }) {
    for (const end = Date.now() + timeout; ; await pause(20)) {
      const element = await tabs.get(tab).waitForSelector(selector, { timeout: Math.max(1, end - Date.now()) });
      if (await element.evaluate(clicked)) return;
      if (Date.now() > end) throw new Error(`something covers ${selector} for ${timeout} ms`);
    }
  },
  async fill({ tab, selector, text, timeout }) {
    await tabs.get(tab).fill(selector, text, { timeout });
  },
  async type({ tab, selector, text }) {
    await tabs.get(tab).type(selector, text);
  },
  async press({ tab, key }) {
    await tabs.get(tab).keyboard.press(key);
  },
  /** No connection of the profile goes out any more, and those that are open are cut; `false`: all is well again. */
  async offline({ tab, offline }) {
    await tabs.get(tab).context().setOffline(offline);
  },
  /** As a tab behind another: the page is told so and its timers are slowed down. */
  async hidden({ tab, hidden }) {
    const page = tabs.get(tab);
    if (!hidden) return void (await page.bringToFront());
    const other = await page.context().newPage();
    await other.bringToFront();
  },
  /** Of what is seen, or of one element, as long as it is. */
  async screenshot({ tab, path, selector }) {
    const page = tabs.get(tab);
    await (selector ? page.locator(selector) : page).screenshot({ path, animations: 'disabled', caret: 'hide' });
  },
  async close({ tab }) {
    const page = tabs.get(tab);
    tabs.delete(tab);
    const context = page.context();
    await page.close();
    if (![...tabs.values()].some((other) => other.context() === context)) await context.close();
  },
};

async function main() {
  browser = await launch(process.argv[2]);
  obey(commands, write, () => browser.close());
  write({ id: 0, ok: 'ready' });
}

process.on('unhandledRejection', (error) => write({ tab: '', problem: `unhandled: ${error?.stack ?? error}` }));
void main();
