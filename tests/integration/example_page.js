// node example_page.js BROWSER URL: ask on the example page, print the answer.
"use strict";
const { chromium } = require("playwright-core");

const [browser, url] = process.argv.slice(2);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

(async () => {
  const opened = await chromium.launch({ executablePath: browser, args: flags });
  try {
    const page = await opened.newPage();
    const problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("response", (response) => { if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`); });
    await page.goto(url);
    await page.getByText("connected as").waitFor();
    await page.getByPlaceholder("Ask something").fill("Hello from the <b>example</b>");
    await page.keyboard.press("Enter");
    await page.locator(".answer").filter({ hasText: "no model is involved" }).waitFor({ timeout: 30000 });
    console.log(JSON.stringify({
      asked: await page.locator(".you").innerText(),
      answer: await page.locator(".answer").innerText(),
      problems: problems.filter((p) => !p.includes("favicon")),
    }));
  } finally {
    await opened.close();
  }
})().catch((error) => { console.error(error); process.exit(1); });
