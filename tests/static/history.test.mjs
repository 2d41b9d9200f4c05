// Reading a room's history. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { History } = await import(`${process.env.STATIC}/history.js`);
const { Conversation, LIMIT } = await import(`${process.env.STATIC}/conversation.js`);

const message = (seq) => ({ messageId: `m${seq}`, identity: 'web-2', message: `${seq}`, seq });
const upTo = (count) => Array.from({ length: count }, (_, index) => message(index + 1));
const settled = () => new Promise((done) => setImmediate(done));

/** A hub with messages, of which `history` waits for `answer()`. */
class FakeHub {
  state = 'connected';
  asked = [];
  #waiting = [];

  constructor(messages, most = 200) {
    Object.assign(this, { messages, most });
  }

  history(room, { before = Infinity, limit }) {
    this.asked.push([room, before, limit]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, before, limit });
    });
  }

  async answer() {
    const { resolve, before, limit } = this.#waiting.shift();
    const earlier = this.messages.filter(({ seq }) => seq < before);
    const messages = earlier.slice(-Math.min(limit, this.most));
    resolve({ messages, hasMore: messages.length < earlier.length, seq: this.messages.at(-1)?.seq ?? 0 });
    await settled();
  }

  async fail(code) {
    this.#waiting.shift().reject(Object.assign(new Error(code), { code }));
    await settled();
  }

  get open() {
    return this.#waiting.length;
  }
}

function make(messages, most) {
  const hub = new FakeHub(messages, most);
  const conversation = new Conversation('web-1');
  const begun = [];
  const history = new History(hub, 'web-1', conversation);
  return { hub, conversation, begun, read: () => history.read(() => begun.push(conversation.entries.length)) };
}

const texts = (conversation) => conversation.entries.map(({ text }) => text);

test('the newest are there first, then the rest', async () => {
  const { hub, conversation, begun, read } = make(upTo(300));
  void read();
  await hub.answer();
  assert.deepEqual([begun, texts(conversation)[0], conversation.entries.length], [[0], '251', 50]);
  while (hub.open) await hub.answer();
  assert.deepEqual(texts(conversation), upTo(300).map(({ message: text }) => text));
  assert.deepEqual(hub.asked, [['web-1', Infinity, 50], ['web-1', 251, 200], ['web-1', 51, 200]]);
});

test('no more is read than the page shows', async () => {
  const { hub, conversation, read } = make(upTo(2_000));
  void read();
  while (hub.open) await hub.answer();
  assert.deepEqual([conversation.entries.length, texts(conversation).at(-1)], [LIMIT, '2000']);
  assert.equal(texts(conversation)[0], String(2_000 - LIMIT + 1));
});

test('an empty room is known to be empty', async () => {
  const { hub, begun, read } = make([]);
  void read();
  await hub.answer();
  assert.deepEqual([begun, hub.open], [[0], 0]);
});

test('what the hub no longer has goes, where it was read', async () => {
  const { hub, conversation, read } = make(upTo(120), 40);
  void read();
  while (hub.open) await hub.answer();
  conversation.interrupted();
  hub.messages = hub.messages.filter(({ seq }) => seq % 2 === 0);
  void read();
  while (hub.open) await hub.answer();
  assert.deepEqual(texts(conversation), hub.messages.map(({ message: text }) => text));
});

test('a line that goes ends the reading, and a hub that is slow is asked again', async () => {
  const { hub, conversation, read } = make(upTo(100));
  void read();
  await hub.answer();
  await hub.fail('disconnected');
  assert.deepEqual([hub.open, conversation.entries.length], [0, 50]);
  void read();
  await hub.fail('timeout');
  assert.equal(hub.open, 1);
  hub.state = 'reconnecting';
  await hub.fail('timeout');
  assert.equal(hub.open, 0);
});

test('what was asked for before a later reading counts for nothing', async () => {
  const { hub, conversation, begun, read } = make(upTo(1));
  void read();
  void read();
  hub.messages = upTo(2);
  await hub.answer();
  assert.deepEqual([begun, texts(conversation)], [[], []]);
  await hub.answer();
  assert.deepEqual([begun, texts(conversation)], [[0], ['1', '2']]);
});
