'use strict';
// What a hub takes a page for, by the origin of that page.
//
// node page_origins.js BROWSER RULES PAGE QUESTION HUB GIVEN
//
// opens PAGE in BROWSER, whose names resolve by RULES (--host-resolver-rules), loads the client bundle of HUB into it and
// prints as JSON what QUESTION, a function below that runs in the page, found out. GIVEN is JSON for that function.

const { chromium } = require('playwright-core');

const questions = {
  /** What the page is for the hub: as a client, an administrator, a SillyTavern; over each transport. */
  async facts({ hub, who }) {
    const ask = (event, transport, auth) =>
      new Promise((done) => {
        const socket = io(`${hub}/clients`, { forceNew: true, transports: [transport], reconnection: false, auth });
        const end = (found) => {
          socket.disconnect();
          done(found);
        };
        socket.on('connect_error', () => end('403'));
        socket.on('ERROR', ({ message }) => end(message));
        socket.on('connect', () =>
          socket.emit(event, {}, ({ status, message }) => end(status === 'ok' ? 'ok' : message)),
        );
      });
    const found = {};
    for (const transport of ['polling', 'websocket']) {
      found[transport] = {
        client: await ask('GET_CLIENT_LIST', transport, { clientType: 'web-app', clientId: 'page' }),
        administrator: await ask('GET_ALL_CLIENT_KEYS', transport, { clientType: 'monitor', clientId: 'monitor', ...who }),
        extension: await ask('GET_ALL_CLIENT_KEYS', transport, { clientType: 'SillyTavern', clientId: 'SillyTavern-7777' }),
      };
    }
    return found;
  },

  /** What the reference extension does at its start and in its settings page. */
  async sillytavern({ hub }) {
    const auth = { clientType: 'SillyTavern', clientId: 'SillyTavern-8000', key: 'getKey' };
    const open = (namespace, more) => io(`${hub}${namespace}`, { auth: { ...auth, ...more } });
    const identified = await open('/sillytavern').emitWithAck('IDENTIFY_SILLYTAVERN', { clientId: auth.clientId });
    const clients = open('/clients', { key: identified.key });
    io(`${hub}/llm`, { forceNew: true, auth: { clientType: 'web-app', clientId: 'phone' } });
    const keys = await clients.emitWithAck('GET_ALL_CLIENT_KEYS', {});
    let made;
    do made = await clients.emitWithAck('GENERATE_CLIENT_KEY', { targetClientId: 'phone' });
    while (made.message === 'Client not found.'); // until phone has come
    const call = { requestId: 'saveSettings', functionName: 'saveJsonToFile', target: 'server' };
    const saved = await open('/function_call', { key: identified.key }).emitWithAck('FUNCTION_CALL', {
      ...call,
      args: ['./settings/server_settings.json', { timeout: 6000 }],
    });
    return { identified: identified.status, keys: keys.status, made: made.status, saved: saved.result };
  },

  /** Whatever a page can try without being a client, again and again; what it could read, and how often it tried. */
  async foreign({ hub, seconds }) {
    const read = [];
    const soon = (begin) =>
      new Promise((done) => {
        setTimeout(done, 500, 'silent');
        begin(done);
      });
    const tag = (name, fields) =>
      soon((done) => {
        const element = Object.assign(document.createElement(name), fields);
        element.onload = element.onerror = done;
        document.body.append(element);
      }).then(() => document.querySelectorAll(name).forEach((element) => element.remove()));
    const form = (method, action) =>
      soon((done) => {
        const frame = Object.assign(document.createElement('iframe'), { name: 'frame', onload: done });
        const sent = Object.assign(document.createElement('form'), { method, action, target: 'frame' });
        document.body.append(frame, sent);
        sent.submit();
      }).then(() => document.querySelectorAll('iframe, form').forEach((element) => element.remove()));
    const polling = `${hub}/socket.io/?EIO=4&transport=polling`;
    const ways = (url) => [
      fetch(url, { mode: 'no-cors' }).then((answer) => answer.text(), () => '').then((text) => text && read.push(text)),
      fetch(url).then((answer) => answer.text(), () => '').then((text) => text && read.push(text)),
      fetch(url, { method: 'POST', mode: 'no-cors', body: '40' }).catch(() => {}),
      tag('script', { src: url }),
      tag('img', { src: url }),
      tag('link', { rel: 'stylesheet', href: url }),
      tag('iframe', { src: url }),
      form('get', url),
      form('post', url),
      soon((done) => {
        const source = new EventSource(url);
        source.onmessage = source.onopen = () => read.push('EventSource');
        source.onerror = () => {
          source.close();
          done();
        };
      }),
      soon((done) => {
        const socket = new WebSocket(url.replace('http', 'ws').replace('=polling', '=websocket'));
        socket.onopen = () => read.push('WebSocket');
        socket.onerror = socket.onclose = done;
      }),
    ];
    let tried = 0;
    const begun = Date.now();
    while (Date.now() < begun + seconds * 1000) {
      for (const url of [polling, `${hub}/`, `${hub}/app.js`, `${hub}/public/note.txt`]) {
        await Promise.all(ways(url));
        tried += 11;
      }
    }
    return { read, tried, took: (Date.now() - begun) / 1000 };
  },

  /** Every way to a model of /v1 that a page has without a key; the status of what it could read, by the name of the way. */
  async v1({ hub, model }) {
    const read = {};
    const chat = `${hub}/v1/chat/completions`;
    const text = JSON.stringify({ model, messages: [{ role: 'user', content: 'from a page' }] });
    const blob = (type) => new Blob([text], { type });
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const until = async (true_) => {
      for (let tries = 0; tries < 250 && !true_(); tries += 1) await pause(20);
    };
    const asks = async (name, url, how = {}) => {
      try {
        const answer = await fetch(url, how);
        if (answer.type !== 'opaque') read[name] = answer.status;
        if (await answer.text()) read[name] ??= 'text';
      } catch {
        // not let through, or not to be read
      }
    };
    const post = (body, how = {}) => ({ method: 'POST', body, ...how });
    await asks('text/plain', chat, post(text));
    await asks('no-cors', chat, post(text, { mode: 'no-cors' }));
    await asks('no-cors, said to be JSON', chat, post(blob('application/json'), { mode: 'no-cors' }));
    await asks('keepalive', chat, post(text, { mode: 'no-cors', keepalive: true }));
    await asks('fields', chat, post(new URLSearchParams({ model })));
    await asks('JSON', chat, post(blob('application/json')));
    await asks('JSON with a key', chat, post(blob('application/json'), { headers: { Authorization: 'Bearer none' } }));
    await asks('models', `${hub}/v1/models`);
    await asks('models, no-cors', `${hub}/v1/models`, { mode: 'no-cors' });
    for (const [name, sent] of [['words', text], ['plain', blob('text/plain')], ['JSON', blob('application/json')]]) {
      try {
        navigator.sendBeacon(`${chat}?beacon-${name.length}`, sent);
      } catch {
        // not even begun
      }
    }
    await asks('after the beacons', chat, post(text)); // they have left before it
    for (const tag of ['script', 'img', 'iframe', 'link', 'object']) {
      const where = { iframe: 'src', script: 'src', img: 'src', link: 'href', object: 'data' }[tag];
      const element = Object.assign(document.createElement(tag), { [where]: `${hub}/v1/models`, rel: 'stylesheet' });
      let settled = false;
      element.onload = element.onerror = () => (settled = true);
      document.body.append(element);
      await until(() => settled);
      try {
        if (tag === 'iframe' && element.contentDocument.body.textContent) read[tag] = 'text';
      } catch {
        // of another origin
      }
    }
    const source = new EventSource(`${hub}/v1/models`);
    source.onopen = source.onmessage = () => (read.EventSource = 'open');
    await until(() => source.readyState === EventSource.CLOSED);
    source.close();
    for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      for (const target of ['frame', 'window']) {
        const frame = Object.assign(document.createElement('iframe'), { name: 'frame' });
        let settled = false;
        document.body.append(frame);
        frame.onload = () => (settled = true);
        const popup = target === 'window' ? window.open('about:blank', 'window') : null;
        const form = Object.assign(document.createElement('form'), { method: 'post', action: chat, enctype, target });
        // as text/plain it is `text` with a member more
        form.append(Object.assign(document.createElement('input'), { name: `${text.slice(0, -1)},"user":"`, value: '"}' }));
        document.body.append(form);
        form.submit();
        await until(() => {
          try {
            return settled || popup.location.href !== 'about:blank';
          } catch {
            return popup !== null;
          }
        });
        popup?.close();
        frame.remove();
        form.remove();
      }
    }
    return read;
  },

  /** What the monitor page of the reference server does, with its stale key. */
  async monitor({ hub }) {
    const auth = { clientType: 'monitor', clientId: 'monitor', key: `$2b$10$${'x'.repeat(53)}`, streamMode: 'plain' };
    const extensions = await io(`${hub}/auth`, { auth }).emitWithAck('GET_SILLYTAVERN_EXTENSION');
    const llm = io(`${hub}/llm`, { auth });
    let text = '';
    llm.on('SERVER_STREAM_DATA', ({ data }) => (text += data));
    const ended = new Promise((done) => llm.on('SERVER_STREAM_END', done));
    const request = { target: extensions.extensions[0], requestId: 'one', message: 'hello', requestType: 'newMessage' };
    const asked = await llm.emitWithAck('LLM_REQUEST', request);
    await ended;
    return { extensions: extensions.extensions, asked: asked.status, text };
  },
};

async function main([executablePath, rules, url, question, hub, given]) {
  const args = ['--headless', '--no-sandbox', `--host-resolver-rules=${rules}`];
  const browser = await chromium.launch({ executablePath, args, timeout: 120_000 });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(30000);
    const opened = await page.goto(url);
    if (opened.status() !== 200) return opened.status();
    await page.addScriptTag({ url: `${hub}/socket.io/socket.io.js` });
    return await page.evaluate(questions[question], { hub, ...JSON.parse(given) });
  } finally {
    await browser.close();
  }
}

main(process.argv.slice(2)).then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
