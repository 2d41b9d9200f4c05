'use strict';
// Scenes of answers that grow on the hub's page: lines that go, pages that are loaded again, answers that are stopped.
//   node page_answers.js BROWSER URL SCENE [JSON arguments]
// Judging is Python's business (test_page_answers.py). Waits are for things to appear, never for time.

const { WIDE, answered, connected, entries, focus, open, play, say, streaming, type, violations } = require('./page_kit');

const text = (page) => page.$$eval('.entry[data-kind="answer"] .text', (all) => all.map((one) => one.textContent));

/** The newest answer is this long, in UTF-16 units. */
const grown = (page, units) =>
  page.waitForFunction(
    (wanted) => [...document.querySelectorAll('.entry[data-kind="answer"] .text')].at(-1)?.textContent.length >= wanted,
    units,
  );

const noted = (page, words) =>
  page.waitForFunction((wanted) => [...document.querySelectorAll('.note-text')].some((one) => one.textContent === wanted), words);

/** What the hub has stored of the page's room, as another socket of the same person reads it. */
const stored = (page) =>
  page.evaluate(async () => {
    const { connect } = await import('/lib/newage-client/connect.js');
    const { io } = await import('/socket.io/socket.io.esm.min.js');
    const hub = connect('', { io, clientId: localStorage.getItem('newage.clientId') });
    const { messages } = await hub.history('', { limit: 200 });
    hub.close();
    return messages.map(({ message, isResponse = false, partial = false, failed = false, reasoning = '' }) => ({
      message, isResponse, partial, failed, reasoning,
    }));
  });

/** Every text that the newest answer has ever shown. */
async function watch(page) {
  await page.evaluate(() => {
    window.__texts = [];
    const look = () => {
      const shown = [...document.querySelectorAll('.entry[data-kind="answer"] .text')].at(-1)?.textContent ?? '';
      if (shown !== window.__texts.at(-1)) window.__texts.push(shown);
    };
    new MutationObserver(look).observe(document.querySelector('#transcript'), { subtree: true, childList: true, characterData: true });
  });
}

const scenes = {
  /** The line goes in mid-answer and comes back while the answer goes on. */
  async cut(browser, url, problems, { question, lengths }) {
    const page = await open(browser, url, WIDE, problems);
    await watch(page);
    await type(page, question);
    await say('asked');
    await grown(page, lengths[0]);
    await say('cut it');
    await page.waitForSelector('.entry[data-cut]');
    const away = { entries: await entries(page), line: await page.textContent('#line-text') };
    await say('heal it');
    await connected(page);
    await grown(page, lengths[1]);
    await page.waitForFunction(() => !document.querySelector('[data-cut]'));
    await say('finish it');
    await answered(page);
    return {
      away,
      texts: await page.evaluate(() => window.__texts),
      entries: await entries(page),
      thoughts: await page.$eval('.entry[data-kind="answer"] .thought', (one) => one.textContent),
      stored: await stored(page),
      violations: await violations(page),
    };
  },

  /** Two tabs of one person, the first is loaded again in mid-answer; the second stops the next answer. */
  async tabs(browser, url, problems, { questions, lengths }) {
    const first = await open(browser, url, WIDE, problems);
    const second = await first.context().newPage();
    await second.goto(url);
    await connected(second);
    await first.bringToFront();
    await type(first, questions[0]);
    await say('asked');
    for (const page of [first, second]) await grown(page, lengths[0]);
    await first.reload();
    await grown(first, lengths[0]);
    await first.waitForSelector('#stop');
    const reloaded = { text: await text(first), streaming: await first.isVisible('.entry[data-streaming]'), stop: await first.isVisible('#stop') };
    await say('finish it');
    for (const page of [first, second]) await answered(page);
    const whole = { first: await entries(first), second: await entries(second) };
    await first.focus('#input');
    await type(first, questions[1]);
    await say('asked');
    for (const page of [first, second]) await grown(page, lengths[1]);
    await second.bringToFront();
    await second.focus('#input');
    await second.keyboard.press('Escape');
    for (const page of [first, second]) await noted(page, 'Stopped');
    await say('go on');
    return { reloaded, whole, first: await entries(first), second: await entries(second), stored: await stored(first) };
  },

  /** The page is loaded again while its second answer grows. */
  async reloadAmid(browser, url, problems, { questions, length }) {
    const page = await open(browser, url, WIDE, problems);
    for (const [index, question] of questions.entries()) {
      await type(page, question);
      await say('asked');
      if (index < questions.length - 1) await answered(page, index + 1);
    }
    await grown(page, length);
    await page.reload();
    await connected(page);
    await streaming(page);
    await page.waitForFunction((wanted) => document.querySelectorAll('.entry').length === wanted, 2 * questions.length);
    const amid = await entries(page);
    await say('finish it');
    await answered(page, questions.length);
    const after = await entries(page);
    await page.reload();
    await connected(page);
    await answered(page, questions.length);
    return { amid, after, again: await entries(page) };
  },

  /** Stopped by the button; by the key before its first word, in a page that was loaded again; asked again, and stopped after another reload. */
  async stop(browser, url, problems, { questions, length }) {
    const page = await open(browser, url, WIDE, problems);
    const quiet = await page.isVisible('#stop');
    await type(page, questions[0]);
    await say('asked');
    await grown(page, length);
    await page.keyboard.type('half typed');
    await page.click('#stop');
    await noted(page, 'Stopped');
    await page.waitForSelector('#stop', { state: 'hidden' });
    const button = { entries: await entries(page), focus: await focus(page), draft: await page.inputValue('#input') };
    await page.fill('#input', '');
    await type(page, questions[1]);
    await say('asked, not answered');
    await page.reload();
    await page.waitForSelector('#thinking:not([hidden])');
    await page.focus('#input');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.entry:last-child .link:not([hidden])');
    const key = await entries(page);
    await page.click('.entry:last-child .link');
    await say('asked again');
    await grown(page, length);
    await page.reload();
    await page.waitForSelector('.entry[data-streaming]');
    await grown(page, length);
    await page.focus('#input');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelectorAll('.entry[data-kind="answer"]:not([data-streaming])').length === 2);
    const after = await entries(page);
    await page.reload();
    await answered(page, 2);
    return { quiet, button, key, after, again: await entries(page), stored: await stored(page) };
  },

  /** One extension that takes one question at a time: the second one waits, and is taken back. */
  async waiting(browser, url, problems, { questions, length }) {
    const page = await open(browser, url, WIDE, problems);
    await type(page, questions[0]);
    await say('asked');
    await grown(page, length);
    await type(page, questions[1]);
    await noted(page, 'Waiting for its turn (place 1)');
    await page.keyboard.press('Escape');
    await noted(page, 'Stopped');
    const taken = await entries(page);
    await say('finish it');
    await answered(page);
    return { taken, entries: await entries(page), stored: await stored(page) };
  },

  /** The hub is killed in mid-answer. */
  async killed(browser, url, problems, { question, length }) {
    const page = await open(browser, url, WIDE, problems);
    await type(page, question);
    await say('asked');
    await grown(page, length);
    await say('kill it');
    await page.waitForSelector('.entry[data-cut]');
    await say('start it');
    await connected(page);
    await noted(page, 'Broken off');
    await page.waitForSelector('.entry[data-kind="mine"] .link:not([hidden])');
    return { entries: await entries(page), stored: await stored(page) };
  },

  /** Behind a proxy that puts a prefix before everything. */
  async prefix(browser, url, problems) {
    const context = await browser.newContext(WIDE);
    const page = await context.newPage();
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(url);
    await page.waitForSelector('#line:is([data-state="connected"], [data-state="refused"])');
    return { asked, state: await page.getAttribute('#line', 'data-state') };
  },
};

void play(scenes);
