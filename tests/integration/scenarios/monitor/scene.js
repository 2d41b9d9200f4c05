// node scene.js BROWSER URL: open the page, ask once, print what it and the browser have seen.
'use strict';
const { chromium } = require(`${process.argv[4]}/node_modules/playwright-core`);

const [, , browser, url] = process.argv;
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

(async () => {
  const opened = await chromium.launch({ executablePath: browser, args: flags, timeout: 120_000 });
  try {
    const page = await opened.newPage();
    page.setDefaultTimeout(20000);
    const problems = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('response', (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`));
    await page.goto(url);
    await page.waitForFunction(() => window.seen && window.seen.connected.length === 3 && window.seen.status);
    const reply = await page.evaluate(() => window.ask('hi'));
    await page.waitForFunction(() => window.seen.answers.length > 0);
    const settings = await page.evaluate(() => window.settings());
    console.log(JSON.stringify({ ...(await page.evaluate(() => window.seen)), reply, settings, problems }));
  } finally {
    await opened.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
