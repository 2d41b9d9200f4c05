// node example_page.js BROWSER PAGE HUB: ask on the example page; load it again in mid-answer; stop an answer. Prints what was seen.
"use strict";
const launch = require("./chromium.js");
const { io } = require("socket.io-client");

const [browser, url, hub] = process.argv.slice(2);
const answers = (page) => page.locator(".answer").allInnerTexts();

/** An extension that says "Once", and the rest when it is told to. */
async function slowly() {
  const { serve } = await import("../../clients/js/index.js");
  const me = serve(hub, { io, clientId: "SillyTavern-page", features: ["accept", "cancel", "resume"] });
  const slow = { close: () => me.close() };
  slow.rest = new Promise((go) => { slow.go = go; });
  slow.stopped = new Promise((stop) => { slow.stop = stop; });
  me.on("request", async (task) => {
    task.accept("headless");
    const output = task.output();
    if (task.said.message.startsWith("Hello")) {
      output.push("<i>Hello</i>");
      output.end();
      return;
    }
    task.signal.addEventListener("abort", () => { slow.stop(task.signal.reason); output.end(); });
    output.push("Once");
    if (task.said.message === "stop me") return;
    await slow.rest;
    output.push(" upon a time");
    output.end();
  });
  await new Promise((up, refused) => {
    me.on("up", up);
    me.on("state", ({ state, message }) => { if (state === "refused") refused(new Error(message)); });
  });
  return slow;
}

(async () => {
  const opened = await launch(browser);
  try {
    const page = await opened.newPage();
    page.setDefaultTimeout(30000);
    const problems = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("response", (response) => { if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`); });
    const ask = async (words) => {
      await page.getByText("connected as").waitFor();
      await page.getByPlaceholder("Ask something").fill(words);
      await page.keyboard.press("Enter");
    };
    const slow = await slowly();
    await page.goto(url);
    await ask("Hello from the <b>example</b>");
    await page.locator(".answer").filter({ hasText: "Hello" }).waitFor();
    await page.locator("#stop").waitFor({ state: "hidden" });
    const asked = await page.locator(".you").innerText();
    const [answer] = await answers(page);

    await ask("a story");
    await page.getByText("Once", { exact: true }).waitFor();
    await page.reload();
    await page.getByText("Once", { exact: true }).waitFor();
    await page.locator("#stop").waitFor();
    slow.go();
    await page.getByText("Once upon a time", { exact: true }).waitFor();
    await page.locator("#stop").waitFor({ state: "hidden" });
    const reloaded = { asked: await page.locator(".you").allInnerTexts(), answers: await answers(page) };

    await ask("stop me");
    await page.getByText("Once", { exact: true }).waitFor();
    await page.evaluate(() => document.getElementById("stop").click());
    await page.locator("#stop").waitFor({ state: "hidden" });
    const stopped = await slow.stopped;
    slow.close();
    console.log(JSON.stringify({
      asked, answer, reloaded, stopped, last: (await answers(page)).at(-1),
      errors: await page.locator(".error").allInnerTexts(),
      problems: problems.filter((p) => !p.includes("favicon")),
    }));
  } finally {
    await opened.close();
  }
})().catch((error) => { console.error(error); process.exit(1); });
