// Plays one scene on the hub's page in a real browser and prints what was seen as one line of JSON.
//   node page_scenes.js BROWSER URL SCENE [JSON arguments]
// A scene that needs the hub to do something in between prints {"say": "..."} and waits for a line on stdin.
// Judging is Python's business (test_page.py); here is only looking. Waits are for things to appear, never for time.

'use strict';

const { PATIENCE, WIDE, PHONE, say, open, connected, answered, streaming, type, entries, violations, widths, focus, play } =
  require('./page_kit');

const scenes = {
  /** A question typed; the lengths of the answer as the document showed them. */
  async ask(browser, url, problems, { question }) {
    const page = await open(browser, url, WIDE, problems);
    await page.waitForSelector('#welcome:not([hidden])');
    const welcome = await page.textContent('#welcome');
    const extensions = await page.$$eval('.extension-name', (names) => names.map((name) => name.textContent));
    await page.evaluate(() => {
      window.__lengths = [];
      window.__announced = [];
      const look = () => {
        const text = document.querySelector('.entry[data-kind="answer"] .text')?.textContent ?? '';
        if (text.length > 0 && text.length !== window.__lengths.at(-1)) window.__lengths.push(text.length);
        if (document.querySelector('.entry[data-streaming]')) {
          window.__announced.push(document.querySelector('#announcer').childElementCount);
        }
      };
      new MutationObserver(look).observe(document.querySelector('#transcript'), {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true,
      });
    });
    await type(page, question);
    await answered(page);
    await page.waitForFunction(() => document.querySelector('.entry[data-kind="mine"] .note').hidden);
    return {
      welcome,
      extensions,
      entries: await entries(page),
      lengths: await page.evaluate(() => window.__lengths),
      announcedWhileStreaming: await page.evaluate(() => Math.max(...window.__announced)),
      announced: await page.$$eval('#announcer p', (all) => all.map((one) => one.textContent)),
      room: await page.textContent('#room-name'),
      clientId: await page.evaluate(() => localStorage.getItem('newage.clientId')),
      transport: await page.textContent('#transport'),
      input: await page.inputValue('#input'),
      violations: await violations(page),
    };
  },

  /** No pointer at all: where Tab leads, what Shift+Enter and Enter do, the details on a phone. */
  async keyboard(browser, url, problems) {
    const page = await open(browser, url, WIDE, problems);
    await page.waitForSelector('#suggestions:not([hidden])');
    const first = await focus(page);
    await page.focus('.skip');
    const stops = [await focus(page)];
    while (stops.at(-1).name !== 'send' && stops.length < 20) {
      await page.keyboard.press('Tab');
      stops.push(await focus(page));
    }
    await page.focus('#input');
    const cut = () => page.$eval('#input', (input) => input.scrollHeight - input.clientHeight); // a browser shows a scroll bar
    const cuts = [await cut()];
    await page.keyboard.type('one');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('two');
    cuts.push(await cut());
    const draft = await page.inputValue('#input');
    const sentByShift = (await entries(page)).length;
    await page.keyboard.press('Enter');
    await answered(page);
    const stays = await focus(page);
    await page.focus('#input');
    await page.keyboard.press('Enter'); // nothing typed, nothing sent
    const count = (await entries(page)).length;

    const phone = await open(browser, url, { ...PHONE, colorScheme: 'light' }, problems);
    await phone.focus('#panel-toggle');
    await phone.keyboard.press('Enter');
    const opened = await phone.isVisible('#panel');
    await phone.keyboard.press('Escape');
    const closed = !(await phone.isVisible('#panel'));
    const back = await focus(phone);
    return { first, stops, cuts, draft, sentByShift, question: (await entries(page))[0].text, stays, count, opened, closed, back };
  },

  /** A phone's width in both themes: nothing is wider than the screen, everything is readable. */
  async phone(browser, url, problems, { question }) {
    const seen = {};
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(browser, url, { ...PHONE, colorScheme }, problems);
      const sizes = [await widths(page)];
      await page.focus('#input');
      await type(page, question);
      await streaming(page);
      sizes.push(await widths(page));
      await answered(page);
      sizes.push(await widths(page));
      await page.tap('#panel-toggle');
      sizes.push(await widths(page));
      const colours = await page.evaluate(() => {
        const colour = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
        return {
          ground: colour('body', 'backgroundColor'),
          panel: colour('.panel', 'backgroundColor'),
          ink: colour('.entry[data-kind="answer"] .text', 'color'),
          time: colour('.meta time', 'color'),
          faint: colour('.panel .faint', 'color'),
          bubble: colour('.entry[data-kind="mine"] .text', 'backgroundColor'),
          badge: colour('.entry[data-kind="answer"] .badge', 'color'),
          badgeGround: colour('.entry[data-kind="answer"] .badge', 'backgroundColor'),
        };
      });
      const send = await page.locator('#send').boundingBox();
      seen[colorScheme] = { sizes, colours, send, violations: await violations(page) };
      await page.context().close();
    }
    return seen;
  },

  /** Markup as a question, echoed as an answer and read again from history. */
  async hostile(browser, url, problems, { question }) {
    const page = await open(browser, url, WIDE, problems);
    await type(page, question);
    await answered(page);
    const before = await entries(page);
    await page.reload();
    await connected(page);
    await answered(page);
    return { before, after: await entries(page), title: await page.title(), violations: await violations(page) };
  },

  /** The same browser later: what was said is there again, once. */
  async reload(browser, url, problems, { questions }) {
    const page = await open(browser, url, WIDE, problems);
    for (const [index, question] of questions.entries()) {
      await type(page, question);
      await answered(page, index + 1);
    }
    const before = await entries(page);
    await page.reload();
    await connected(page);
    await answered(page, questions.length);
    return { before, after: await entries(page), welcome: await page.isVisible('#welcome') };
  },

  /** A reader who scrolls up while the answer grows is left alone, until asking for the newest. */
  async scroll(browser, url, problems, { questions }) {
    const page = await open(browser, url, { ...WIDE, viewport: { width: 700, height: 420 } }, problems);
    for (const [index, question] of questions.entries()) {
      await type(page, question);
      if (index < questions.length - 1) await answered(page, index + 1);
    }
    await streaming(page);
    const scroller = page.locator('#scroller');
    const gap = () => scroller.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
    const followed = await gap();
    await scroller.focus();
    await page.keyboard.press('Home');
    await page.waitForSelector('#newest:not([hidden])');
    await page.waitForFunction(() => document.querySelector('#scroller').scrollTop === 0);
    const length = await page.textContent('.entry[data-streaming] .text');
    await page.waitForFunction((old) => document.querySelector('.entry:last-child .text').textContent.length > old + 20, length.length);
    const still = await scroller.evaluate((element) => element.scrollTop);
    await page.focus('#newest');
    await page.keyboard.press('Enter');
    const caughtUp = await gap();
    await answered(page, questions.length);
    return { followed, still, caughtUp, atEnd: await gap(), newest: await page.isVisible('#newest'), focus: await focus(page) };
  },

  /** A hub without anybody to answer, then somebody comes. */
  async alone(browser, url, problems, { question }) {
    const page = await open(browser, url, WIDE, problems);
    await page.waitForSelector('#guide:not([hidden])');
    const guide = await page.textContent('#guide');
    await type(page, question);
    await page.waitForSelector('.entry[data-failed] .link:not([hidden])');
    const failed = await entries(page);
    await say('alone');
    await page.waitForSelector('.extension');
    const extensions = await page.$$eval('.extension-name', (names) => names.map((name) => name.textContent));
    const guideGone = !(await page.isVisible('#guide'));
    await page.focus('.entry[data-failed] .link');
    await page.keyboard.press('Enter');
    await answered(page);
    await page.waitForFunction(() => !document.querySelector('.entry[data-failed]'));
    const before = await entries(page);
    await page.reload();
    await connected(page);
    await answered(page);
    return { guide, failed, extensions, guideGone, entries: before, after: await entries(page), violations: await violations(page) };
  },

  /** The hub goes and comes back in the middle of it. */
  async restart(browser, url, problems, { questions }) {
    const page = await open(browser, url, WIDE, problems);
    await type(page, questions[0]);
    await answered(page);
    problems.push('--- the hub goes');
    await say('answered');
    await page.waitForSelector('#line:not([data-state="connected"])');
    const away = await page.textContent('#line-text');
    await type(page, questions[1]);
    await page.waitForSelector('#notice:not([hidden])');
    const notice = await page.textContent('#notice-text');
    const kept = await page.inputValue('#input');
    await say('away');
    await connected(page);
    problems.push('--- the hub is back');
    await page.focus('#input');
    await page.keyboard.press('Enter');
    await answered(page, 2);
    return { away, notice, kept, noticeGone: !(await page.isVisible('#notice')), entries: await entries(page) };
  },

  /** A hub that wants a key. */
  async gate(browser, url, problems, { wrong }) {
    const context = await browser.newContext(WIDE);
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on('pageerror', (error) => problems.push(`exception: ${error}`));
    await page.goto(url);
    await page.waitForSelector('#gate:not([hidden])');
    const first = await page.textContent('#gate-text');
    const focused = await focus(page);
    await page.keyboard.type(wrong);
    await page.evaluate(() => {
      // The gate may be away for a moment only: the hub is quicker than a look at every frame.
      const gate = document.getElementById('gate');
      window.gateLeft = new Promise((left) => {
        new MutationObserver(() => { if (gate.hidden) left(true); }).observe(gate, { attributeFilter: ['hidden'] });
      });
    });
    await page.keyboard.press('Enter');
    await page.evaluate(() => window.gateLeft);
    await page.waitForSelector('#gate:not([hidden])');
    return {
      first,
      focused,
      again: await page.textContent('#gate-text'),
      id: await page.textContent('#gate-id'),
      gate: await page.textContent('#gate'),
      composer: await page.isVisible('#composer'),
      shownKey: await page.inputValue('#key'),
    };
  },
};

void play(scenes);
