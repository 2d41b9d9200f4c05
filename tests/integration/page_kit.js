'use strict';
// What scenes on the hub's page share: a browser, the page in it, and what is seen there.
// A scene that needs the hub to do something in between says so and waits for a line on stdin.

const readline = require('node:readline');
const launch = require('./chromium');

const PATIENCE = 20_000;
const WIDE = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' };
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

const lines = readline.createInterface({ input: process.stdin });
const nextLine = () => new Promise((resolve) => lines.once('line', resolve));

async function say(word) {
  const answer = nextLine();
  process.stdout.write(`${JSON.stringify({ say: word })}\n`);
  await answer;
}

/** A fresh browser profile with the page open; everything that went wrong in it collects in `problems`. */
async function open(browser, url, options, problems) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript(() => {
    window.__violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error}`));
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
  });
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  await connected(page);
  return page;
}

const connected = (page) => page.waitForSelector('#line[data-state="connected"]');
const answered = (page, count = 1) =>
  page.waitForFunction(
    (wanted) =>
      document.querySelectorAll('.entry[data-kind="answer"]:not([data-streaming])').length >= wanted &&
      !document.querySelector('.entry[data-streaming]'),
    count,
  );
const streaming = (page) => page.waitForSelector('.entry[data-streaming]');

async function type(page, text) {
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
}

const entries = (page) =>
  page.$$eval('.entry', (items) =>
    items.map((item) => ({
      kind: item.dataset.kind,
      text: item.querySelector('.text').textContent,
      author: item.querySelector('.author').textContent,
      demo: !item.querySelector('.badge').hidden,
      note: item.querySelector('.note').hidden ? '' : item.querySelector('.note-text').textContent,
      elements: item.querySelector('.text').childElementCount,
    })),
  );

const violations = (page) => page.evaluate(() => window.__violations);
const widths = (page) => page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);

/** The focused element by id, class or name, and whether one can see that it is focused. */
const focus = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const look = (node) => {
      const style = getComputedStyle(node);
      const transparent = /rgba\(.*, 0\)$|transparent/.test(style.outlineColor);
      const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 && !transparent;
      return outlined || style.boxShadow !== 'none';
    };
    return { name: element.id || element.className || element.tagName, visible: look(element) || look(element.parentElement) };
  });

/** Plays the scene that the command line names, and prints what was seen as one line of JSON. */
async function play(scenes) {
  const [executablePath, url, name, given = '{}'] = process.argv.slice(2);
  const browser = await launch(executablePath);
  const problems = [];
  try {
    const seen = await scenes[name](browser, url, problems, JSON.parse(given));
    process.stdout.write(`${JSON.stringify({ seen, problems })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ failed: String(error.stack ?? error), problems })}\n`);
    process.exitCode = 1;
  } finally {
    await browser.close();
    lines.close();
  }
}

module.exports = {
  PATIENCE, WIDE, PHONE, say, open, connected, answered, streaming, type, entries, violations, widths, focus, play,
};
