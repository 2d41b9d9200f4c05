// @ts-check
// Scenes of the client in JavaScript (clients/js) against a real hub: node client_scenes.mjs SCENE URL PROXY TRANSPORT.
// PROXY is the same hub behind a line that the test can cut; `line('cut')` and `line('heal')` ask it to. Ends with 0 when
// all was as it has to be.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';
import { connect, serve } from '../../clients/js/index.js';

const [scene, url, proxy, transport] = process.argv.slice(2);
const options = { transports: [transport] };
const WORDS = Array.from({ length: 40 }, (_, n) => (n % 7 === 0 ? ` 😀${n}` : ` word${n}`));
const STORY = WORDS.join('');
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
/** @type {any[]} */
const open = [];

async function line(/** @type {'cut' | 'heal'} */ change) {
  console.log(change);
  await lines.next();
}

/** The first time that it is told, with what; `when` says which one counts. */
function told(/** @type {any} */ who, /** @type {string} */ name, when = (/** @type {any[]} */ ...args) => true) {
  return new Promise((resolve) => {
    const forget = who.on(name, (/** @type {any[]} */ ...args) => {
      if (!when(...args)) return;
      forget();
      resolve(args);
    });
  });
}

const connected = (/** @type {any} */ change) => change.state === 'connected';
const away = (/** @type {any} */ change) => change.state === 'reconnecting';

/** An extension that is there, and answers so. */
async function extension(/** @type {(task: any) => any} */ answer, { by = url, ...how } = /** @type {any} */ ({})) {
  const clientId = `SillyTavern-${randomUUID().slice(0, 8)}`;
  const me = serve(by, { io, options, clientId, features: ['accept', 'cancel', 'resume'], ...how });
  open.push(me);
  me.on('request', answer);
  await told(me, 'up');
  return me;
}

async function asker({ by = url, ...how } = /** @type {any} */ ({})) {
  const hub = connect(by, { io, options, clientId: `asker-${randomUUID().slice(0, 8)}`, ...how });
  open.push(hub);
  await hub.ready;
  return hub;
}

/** Long before the 10 s that a client waits for a hub which does not say what became of a request. */
function soon(/** @type {Promise<any>} */ done) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('it waits for nothing')), 8000).unref());
  return Promise.race([done, late]);
}

/** What the hub has stored is what we were shown. */
async function stored(/** @type {any} */ hub, /** @type {any} */ answer, text = STORY) {
  assert.equal(answer.text, text);
  const { messages } = await hub.history();
  const said = messages.filter((/** @type {any} */ message) => message.isResponse && message.requestId === answer.requestId);
  assert.deepEqual(said.map((/** @type {any} */ message) => message.message), [text]);
  assert.equal(messages.filter((/** @type {any} */ message) => message.fromClient && message.requestId === answer.requestId).length, 1);
  assert.deepEqual(answer.messageIds, [said[0].messageId]);
  return said[0];
}

/** All that an answer's reader was shown, with what became void taken back. */
function reader(/** @type {any} */ answer) {
  const seen = { text: '', reasoning: '', resets: 0 };
  for (const kind of ['text', 'reasoning']) answer.on(kind, (/** @type {string} */ piece) => { seen[kind] += piece; });
  answer.on('reset', (/** @type {string} */ kind, /** @type {number} */ at) => {
    seen[kind] = seen[kind].slice(0, at);
    seen.resets += 1;
  });
  return seen;
}

/** @type {Record<string, () => Promise<void>>} */
const scenes = {
  async tokens() {
    const me = await extension((task) => {
      assert.equal(task.said.message, 'a story');
      task.accept('headless');
      const output = task.output();
      output.push('because', 'reasoning');
      for (const word of WORDS) output.push(word);
      output.end({ finishReason: 'stop' });
    });
    const hub = await asker();
    const answer = hub.ask('a story', { target: me.clientId });
    const seen = reader(answer);
    let text = '';
    for await (const token of answer) text += token;
    assert.equal(text, STORY);
    assert.deepEqual(seen, { text: STORY, reasoning: 'because', resets: 0 });
    assert.equal((await answer.done).reasoning, 'because');
    const message = await stored(hub, answer);
    assert.equal(message.reasoning, 'because');
    assert.equal(answer.outputs[0].state, 'ended');
    assert.equal(me.tasks.length, 0);

    for (const n of [1, 2]) await hub.ask('a story', { target: me.clientId }).done.then((/** @type {any} */ it) => assert.equal(it.text, STORY, String(n)));
    const pages = [];
    for await (const page of hub.pages('', { limit: 4 })) pages.push(page);
    assert.deepEqual(pages.map((page) => page.length), [4, 2]);
    assert.deepEqual(pages.flatMap((page) => page.map((message) => message.fromClient)), [true, false, true, false, true, false]);
  },

  async rooms() {
    const ann = await asker();
    const bob = await asker();
    const room = `club-${randomUUID().slice(0, 8)}`;
    const host = await asker({ clientId: 'monitor', type: 'monitor' });
    await host.create(room);
    await ann.join(room);
    const joined = told(ann, 'joined', (said) => said.identity === bob.identity || said.clientId === bob.clientId);
    await ann.members(room);
    await bob.join(room);
    await joined;
    const members = (await ann.members(room)).map((/** @type {any} */ member) => member.clientId);
    assert.deepEqual(new Set(members), new Set([host.clientId, ann.clientId, bob.clientId]));
    const me = await extension((task) => {
      const output = task.output();
      output.show(STORY);
      output.end();
    });
    const heard = told(bob, 'output');
    const answer = host.ask('a story', { room, target: me.clientId });
    const [output] = await heard;
    if (output.state === 'live') await told(output, 'end');
    await answer.done;
    assert.equal(output.text, STORY);
    assert.equal(output.roomName, room);
    const { messages } = await bob.history(room);
    assert.deepEqual(messages.filter((message) => !message.isSystem).map((message) => message.message), ['a story', STORY]);
    await bob.leave(room);
    await assert.rejects(bob.history(room), (/** @type {any} */ failure) => typeof failure.code === 'number');
  },

  async revised() {
    const me = await extension(async (task) => {
      const output = task.output();
      output.show('I think so', 'reasoning');
      output.show('Hello wrold', 'text');
      await shown;
      output.show('I thought', 'reasoning');
      output.show('Hello world', 'text');
      output.end();
    });
    const hub = await asker();
    const answer = hub.ask('hi', { target: me.clientId });
    const shown = told(answer, 'text');
    const seen = reader(answer);
    await answer.done;
    assert.deepEqual(seen, { text: 'Hello world', reasoning: 'I thought', resets: 2 });
    assert.equal((await stored(hub, answer, 'Hello world')).reasoning, 'I thought');
  },

  async stopped() {
    /** @type {(reason: string) => void} */
    let hears = () => {};
    const heard = new Promise((resolve) => { hears = resolve; });
    const me = await extension(async (task) => {
      task.accept('headless');
      const output = task.output();
      output.push('half');
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      output.push(' never');
      task.over();
      hears(task.signal.reason);
    });
    const hub = await asker();
    const answer = hub.ask('a long one', { target: me.clientId });
    await told(answer, 'text');
    const said = await answer.stop();
    assert.equal(said.state, 'cancelled');
    await answer.done;
    assert.equal(answer.state, 'cancelled');
    assert.equal((await stored(hub, answer, 'half')).partial, true);
    assert.equal(await heard, 'cancelled');
    assert.equal(me.tasks.length, 0);
  },

  async 'asker-cut'() {
    /** @type {any} */
    let output;
    const begun = new Promise((resolve) => {
      extension((task) => {
        output = task.output();
        for (const word of WORDS.slice(0, 10)) output.push(word);
      }).then(resolve);
    });
    const me = await begun;
    const hub = await asker({ by: proxy });
    const answer = hub.ask('a story', { target: me.clientId });
    const seen = reader(answer);
    const iterated = (async () => {
      let text = '';
      for await (const token of answer) text += token;
      return text;
    })();
    await told(answer, 'text');
    const gone = told(hub, 'state', away);
    await line('cut');
    await gone;
    for (const word of WORDS.slice(10, 30)) output.push(word);
    const back = told(hub, 'state', connected);
    await line('heal');
    await back;
    for (const word of WORDS.slice(30)) output.push(word);
    output.end();
    await answer.done;
    assert.equal(await iterated, STORY);
    assert.deepEqual(seen, { text: STORY, reasoning: '', resets: 0 });
    await stored(hub, answer);
  },

  async 'asker-away-at-the-end'() {
    /** @type {any} */
    let output;
    const me = await extension((task) => {
      output = task.output();
      output.push('because', 'reasoning');
      for (const word of WORDS.slice(0, 10)) output.push(word);
    });
    const hub = await asker({ by: proxy });
    const answer = hub.ask('a story', { target: me.clientId });
    const seen = reader(answer);
    await told(answer, 'text');
    const gone = told(hub, 'state', away);
    await line('cut');
    await gone;
    output.reset(20);
    output.push(STORY.slice(20));
    output.end();
    await me.call('GET_MESSAGES', { limit: 1 }); // what was said before has been handled
    const over = told(answer.outputs[0], 'end');
    await line('heal');
    await over;
    assert.equal(seen.text, STORY);
    assert.equal(seen.reasoning, 'because');
    await soon(answer.done);
    await stored(hub, answer);
  },

  async 'request-failed-while-away'() {
    /** @type {any} */
    let failing;
    const me = await extension((task) => {
      failing = task;
      task.output().push('half');
    });
    const hub = await asker({ by: proxy });
    const answer = hub.ask('a story', { target: me.clientId });
    await told(answer, 'text');
    const gone = told(hub, 'state', away);
    await line('cut');
    await gone;
    failing.fail('no model');
    await me.call('GET_MESSAGES', { limit: 1 });
    const back = told(hub, 'state', connected);
    await line('heal');
    await back;
    await assert.rejects(soon(answer.done), { message: 'no model' }); // where its socket was gone, a notice says so, too
    assert.equal(answer.text, 'half');
  },

  async 'rerouted-while-away'() {
    /** @type {any} */
    let first;
    /** @type {(task: any) => void} */
    let went = () => {};
    const taken = new Promise((resolve) => { went = resolve; });
    const me = await extension((task) => {
      first = task;
      task.accept('headless');
    });
    await extension((task) => went(task));
    const hub = await asker({ by: proxy });
    const answer = hub.ask('a story', { target: me.clientId, failover: true });
    await told(answer, 'status', (said) => said.status === 'accepted');
    const gone = told(hub, 'state', away);
    await line('cut');
    await gone;
    first.fail('no model');
    const task = await taken;
    const back = told(hub, 'state', connected);
    await line('heal');
    await back;
    const output = task.output();
    for (const word of WORDS) output.push(word);
    output.end();
    await soon(answer.done);
    await stored(hub, answer);
  },

  async 'extension-cut'() {
    /** @type {any} */
    let output;
    let requests = 0;
    const me = await extension((task) => {
      requests += 1;
      task.accept('headless');
      output = task.output();
      output.push('because', 'reasoning');
      for (const word of WORDS.slice(0, 10)) output.push(word);
    }, { by: proxy });
    const hub = await asker();
    const answer = hub.ask('a story', { target: me.clientId });
    const seen = reader(answer);
    await told(answer, 'text');
    const gone = told(me, 'state', away);
    await line('cut');
    await gone;
    for (const word of WORDS.slice(10, 20)) output.push(word);
    output.reset(12); // of what the hub had, and of what it has not heard
    output.push(STORY.slice(12, 200));
    const back = told(me, 'up');
    await line('heal');
    await back;
    output.push(STORY.slice(200));
    output.end();
    await answer.done;
    assert.equal(seen.text, STORY);
    assert.equal(seen.reasoning, 'because');
    assert.equal(requests, 1);
    assert.equal((await stored(hub, answer)).reasoning, 'because');
    assert.equal(me.tasks.length, 0);
  },

  async 'extension-away-at-the-end'() {
    /** @type {any} */
    let output;
    const me = await extension((task) => {
      output = task.output();
      for (const word of WORDS.slice(0, 10)) output.push(word);
    }, { by: proxy });
    const hub = await asker();
    const answer = hub.ask('a story', { target: me.clientId });
    await told(answer, 'text');
    const gone = told(me, 'state', away);
    await line('cut');
    await gone;
    for (const word of WORDS.slice(10)) output.push(word);
    output.end();
    await line('heal');
    await answer.done;
    await stored(hub, answer);
  },
};

const late = setTimeout(() => {
  console.error('it takes too long');
  process.exit(1);
}, 60_000);
await scenes[scene]();
clearTimeout(late);
for (const each of open) each.close();
lines.return?.();
process.stdin.destroy();
