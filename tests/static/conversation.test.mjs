// The model of a conversation: what it makes of the hub's events. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Conversation, authorOf } = await import(`${process.env.STATIC}/conversation.js`);

const ME = 'web-1';
const EXT = 'SillyTavern-8000';

function make(options = {}) {
  const conversation = new Conversation(ME, { now: () => '2026-11-23T10:00:00.000Z', ...options });
  const told = [];
  for (const type of ['added', 'changed', 'appended', 'removed', 'finished']) {
    conversation.addEventListener(type, ({ detail }) => told.push([type, detail.entry, detail]));
  }
  return { conversation, told, types: () => told.map(([type]) => type) };
}

const question = (n, more = {}) => ({
  messageId: `m${n}`,
  requestId: `r${n}`,
  identity: ME,
  fromClient: true,
  fromLlm: false,
  message: `question ${n}`,
  seq: n,
  timestamp: '2026-11-23T09:00:00.000Z',
  role: 'master',
  ...more,
});
const response = (n, more = {}) => ({
  messageId: `a${n}`,
  responseId: `p${n}`,
  requestId: `r${n}`,
  outputId: `o${n}`,
  identity: EXT,
  isResponse: true,
  fromLlm: true,
  role: 'assistant',
  message: `answer ${n}`,
  seq: n + 1,
  ...more,
});
const chunk = (chunkIndex, data, more = {}) => ({ outputId: 'o1', requestId: 'r1', identity: EXT, chunkIndex, data, ...more });
const texts = (conversation) => conversation.entries.map((entry) => entry.text);

test('a question is shown at once and becomes the stored message', () => {
  const { conversation, types } = make();
  conversation.ask('r1', 'question 1');
  assert.equal(conversation.entries[0].state, 'sending');
  conversation.stored(question(1), { live: true });
  conversation.accepted('r1', { messageId: 'm1', state: 'forwarded' });
  assert.equal(conversation.entries.length, 1);
  const [entry] = conversation.entries;
  assert.deepEqual([entry.kind, entry.messageId, entry.seq, entry.state], ['mine', 'm1', 1, 'forwarded']);
  assert.ok(!types().includes('finished'), 'what I said myself is not news');
});

test('a status that overtook the ack is kept', () => {
  const { conversation } = make();
  conversation.ask('r1', 'x');
  conversation.status({ requestId: 'r1', status: 'completed' });
  conversation.accepted('r1', { messageId: 'm1', state: 'forwarded' });
  assert.equal(conversation.entries[0].state, 'completed');
});

test('who waits for a busy extension waits for no master', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'hi');
  conversation.status({ requestId: 'r1', status: 'queued', waitsFor: 'host', position: 1 });
  assert.equal(entry.state, 'queued');
  conversation.status({ requestId: 'r1', status: 'queued', waitsFor: 'turn', position: 1 });
  assert.equal(entry.state, 'turn');
  conversation.status({ requestId: 'r1', status: 'queued', waitsFor: 'extension', position: 1 });
  assert.equal(entry.state, 'extension');
});

test('waiting lasts from forwarding to the first sign of an answer', () => {
  const { conversation } = make();
  conversation.ask('r1', 'x');
  assert.equal(conversation.waiting, false);
  conversation.status({ requestId: 'r1', status: 'forwarded' });
  assert.equal(conversation.waiting, true);
  conversation.streamed(chunk(0, 'A'));
  assert.equal(conversation.waiting, false);
});

test('an answer grows by its chunks and ends whole', () => {
  const { conversation, types } = make();
  for (const [index, data] of ['One', ' two', ' three'].entries()) conversation.streamed(chunk(index, data));
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.streaming, entry.author], ['One two three', true, EXT]);
  conversation.ended({ outputId: 'o1', requestId: 'r1', identity: EXT, data: 'One two three', failed: false });
  conversation.stored(response(1, { message: 'One two three' }), { live: true });
  assert.deepEqual(texts(conversation), ['One two three']);
  assert.deepEqual([entry.streaming, entry.messageId], [false, 'a1']);
  assert.equal(types().filter((type) => type === 'finished').length, 1, 'announced once');
});

test('chunks told twice are ignored, missed ones come with the end', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'a'));
  conversation.streamed(chunk(0, 'a'));
  conversation.streamed(chunk(2, 'c'));
  assert.equal(conversation.entries[0].text, 'ac');
  conversation.ended({ outputId: 'o1', data: 'abc' });
  assert.equal(conversation.entries[0].text, 'abc');
});

test('a resumed answer goes on growing and is edited at last', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'first'));
  conversation.ended({ outputId: 'o1', data: 'first' });
  conversation.streamed(chunk(0, ' more'));
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.streaming], ['first more', true]);
  conversation.ended({ outputId: 'o1', data: ' more' });
  assert.equal(entry.text, 'first more');
  conversation.stored(response(1, { message: 'first more!' }), { live: true });
  assert.deepEqual(texts(conversation), ['first more!']);
});

test('an end without any chunk seen still shows the answer; an empty one shows nothing', () => {
  const { conversation } = make();
  conversation.ended({ outputId: 'o1', identity: EXT, data: 'all at once' });
  conversation.ended({ outputId: 'o2', identity: EXT, data: '' });
  assert.deepEqual(texts(conversation), ['all at once']);
});

test('a failed stream keeps its part and says so', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'half'));
  conversation.ended({ outputId: 'o1', data: 'half', failed: true });
  assert.deepEqual([conversation.entries[0].text, conversation.entries[0].failed], ['half', true]);
});

test('a cut line stops the streaming look until history tells the rest', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'ha'));
  conversation.interrupted();
  assert.equal(conversation.entries[0].streaming, false);
  conversation.page({ updateId: 'u', contextPage: [response(1, { message: 'half' })], isLastPage: true, seq: 2 });
  assert.deepEqual(texts(conversation), ['half']);
});

test('refusals reach their question, others are nobody’s', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  assert.equal(conversation.refused('r1', 'No.', 'm1'), true);
  assert.deepEqual([entry.state, entry.note, entry.messageId], ['failed', 'No.', 'm1']);
  conversation.status({ requestId: 'r1', status: 'failed' });
  assert.equal(entry.note, 'No.', 'the reason stays');
  assert.equal(conversation.refused('r9', 'No.'), false);
  assert.equal(conversation.refused(undefined, 'No.'), false);
});

test('asking again reuses the question', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  conversation.refused('r1', 'No.', 'm1');
  conversation.askAgain(entry, 'r2');
  conversation.stored(question(2, { messageId: 'm2', message: 'x' }), { live: true });
  conversation.accepted('r2', { messageId: 'm2', state: 'forwarded' });
  assert.deepEqual([conversation.entries.length, entry.state, entry.note], [1, 'forwarded', '']);
});

test('history shows a question once, however often it was asked again', () => {
  const { conversation } = make();
  const again = question(2, { message: 'question 1', requestType: 'regenerateMessage' });
  const later = question(5, { message: 'question 1' });
  const pages = [question(1), again, response(2), later];
  for (const updateId of ['u', 'v']) conversation.page({ updateId, contextPage: pages, isLastPage: true, seq: 5 });
  assert.deepEqual(texts(conversation), ['question 1', 'answer 2', 'question 1']);
  const [entry] = conversation.entries;
  assert.deepEqual([entry.messageId, entry.earlierIds, entry.seq], ['m2', ['m1'], 1]);
  conversation.deleted(['m2']);
  assert.deepEqual([conversation.entries.length, entry.messageId], [3, 'm1']);
  conversation.deleted(['m1']);
  assert.deepEqual(texts(conversation), ['answer 2', 'question 1']);
});

test('what another member asks again stands once too', () => {
  const { conversation } = make();
  const theirs = { identity: 'web-2', message: 'same' };
  conversation.stored(question(1, { ...theirs, message: 'same' }));
  conversation.stored(question(2, { ...theirs, requestType: 'regenerateMessage' }), { live: true });
  conversation.stored(question(3, { identity: 'web-3', message: 'same', requestType: 'regenerateMessage' }), { live: true });
  assert.deepEqual(conversation.entries.map(({ author }) => author), ['web-2', 'web-3']);
});

test('history comes in pages, in order, and drops what the hub no longer has', () => {
  const { conversation } = make();
  conversation.stored(question(1), { live: true });
  conversation.stored(question(4), { live: true });
  const pending = conversation.ask('r9', 'not sent yet');
  conversation.page({ updateId: 'u', contextPage: [question(2), response(2)], isLastPage: false, seq: 4 });
  conversation.page({ updateId: 'u', contextPage: [question(4)], isLastPage: true, seq: 4 });
  assert.deepEqual(texts(conversation), ['question 2', 'answer 2', 'question 4', 'not sent yet']);
  assert.equal(conversation.entries.at(-1), pending);
});

test('what arrives while history is told stays', () => {
  const { conversation } = make();
  conversation.page({ updateId: 'u', contextPage: [question(1)], isLastPage: false, seq: 1 });
  conversation.stored(question(2), { live: true });
  conversation.page({ updateId: 'u', contextPage: [], isLastPage: true, seq: 1 });
  assert.deepEqual(texts(conversation), ['question 1', 'question 2']);
});

test('a page push that began anew forgets the one before', () => {
  const { conversation } = make();
  conversation.page({ updateId: 'u', contextPage: [question(1)], isLastPage: false, seq: 2 });
  conversation.page({ updateId: 'v', contextPage: [question(2)], isLastPage: true, seq: 2 });
  assert.deepEqual(texts(conversation), ['question 2']);
});

test('edits, deletions and clearing are followed', () => {
  const { conversation } = make();
  for (const message of [question(1), response(1), question(3), response(3)]) conversation.stored(message);
  conversation.stored(question(1, { message: 'edited' }), { live: true });
  assert.equal(texts(conversation)[0], 'edited');
  conversation.deleted(['m3', 'unknown']);
  assert.deepEqual(texts(conversation), ['edited', 'answer 1', 'answer 3']);
  conversation.cleared(false, true);
  assert.deepEqual(texts(conversation), ['edited']);
  conversation.cleared(true, false);
  assert.deepEqual(texts(conversation), []);
});

test('others, answers and the system are told apart, and are news', () => {
  const { conversation, types } = make();
  conversation.stored(question(1, { identity: 'web-2' }), { live: true });
  conversation.stored(response(2), { live: true });
  conversation.stored({ messageId: 's', identity: 'System', role: 'system', isSystem: true, message: 'hm', seq: 9 }, { live: true });
  assert.deepEqual(conversation.entries.map((entry) => entry.kind), ['theirs', 'answer', 'system']);
  assert.equal(types().filter((type) => type === 'finished').length, 3);
});

test('only so many entries are kept, the newest', () => {
  const { conversation, told } = make({ limit: 3 });
  for (let n = 1; n <= 5; n += 1) conversation.stored(question(n));
  assert.deepEqual(texts(conversation), ['question 3', 'question 4', 'question 5']);
  assert.equal(told.filter(([type]) => type === 'removed').length, 2);
});

test('whatever a hub sends, nothing throws and nothing but text is shown', () => {
  const { conversation } = make();
  for (const odd of [null, undefined, 7, 'x', [], {}, { message: { a: 1 } }, { messageId: 1, message: null, seq: 'x' }]) {
    conversation.stored(odd, { live: true });
    conversation.streamed(odd ?? {});
    conversation.ended(odd ?? {});
    conversation.status(odd ?? {});
    conversation.page(odd ?? {});
  }
  conversation.streamed({ outputId: 'o', data: 7 });
  assert.ok(conversation.entries.every((entry) => typeof entry.text === 'string' && typeof entry.author === 'string'));
});

test('an entry taken back is taken back once', () => {
  const { conversation, told } = make();
  conversation.stored(question(1));
  conversation.clear();
  conversation.clear();
  assert.equal(told.filter(([type]) => type === 'removed').length, 1);
});

test('a name never stands without whose it is', () => {
  const { conversation, told } = make();
  conversation.stored(question(1, { identity: 'bob', name: 'Ann' }));
  conversation.stored(question(2, { identity: 'ann' }));
  conversation.stored(question(3, { identity: 'cid', name: { toString: 'Ann' } }));
  conversation.stored(question(4, { identity: 'dan', name: 'dan' }));
  assert.deepEqual(told.map(([, entry]) => authorOf(entry)), ['Ann (bob)', 'ann', 'cid', 'dan']);
});

const page = (contextPage, seq) => ({ updateId: 'u', contextPage, isLastPage: true, seq });
const shown = (conversation) => conversation.entries.map(({ kind, text }) => `${kind} ${text}`);

test('an answer that grows while the page is loaded again stands below its question, not above all history', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'half', { outputId: 'o9', requestId: 'r5' }));
  conversation.page(page([question(1), response(1), question(3), response(3), question(5)], 5));
  const expected = ['mine question 1', 'answer answer 1', 'mine question 3', 'answer answer 3', 'mine question 5', 'answer half'];
  assert.deepEqual(shown(conversation), expected);
  conversation.stored(response(5, { outputId: 'o9', message: 'half', seq: 6 }), { live: true });
  assert.deepEqual(shown(conversation), expected);
});

test('an answer without a known question grows after all history', () => {
  const { conversation } = make();
  conversation.streamed(chunk(0, 'half', { requestId: null }));
  conversation.page(page([question(1), question(2)], 2));
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine question 2', 'answer half']);
});

test('two questions asked at once have their answers below them, live and after a reload', () => {
  const live = make().conversation;
  live.page(page([], 0));
  live.ask('r1', 'question 1');
  live.ask('r2', 'question 2');
  live.stored(question(1), { live: true });
  live.stored(question(2), { live: true });
  live.streamed(chunk(0, 'answer 2', { outputId: 'o2', requestId: 'r2' }));
  live.streamed(chunk(0, 'answer 1', { outputId: 'o1', requestId: 'r1' }));
  const expected = ['mine question 1', 'answer answer 1', 'mine question 2', 'answer answer 2'];
  assert.deepEqual(shown(live), expected);
  live.stored(response(2, { seq: 3 }), { live: true });
  live.stored(response(1, { seq: 4 }), { live: true });
  assert.deepEqual(shown(live), expected);
  const again = make().conversation;
  again.page(page([question(1), question(2), response(2, { seq: 3 }), response(1, { seq: 4 })], 4));
  assert.deepEqual(shown(again), expected);
});

test('what the hub did not take stays where it was asked', () => {
  const { conversation } = make();
  conversation.page(page([question(1)], 1));
  conversation.ask('lost', 'lost');
  conversation.refused('lost', 'No.');
  conversation.stored(question(2), { live: true });
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine lost', 'mine question 2']);
});

test('who is moved is told to the view', () => {
  const { conversation } = make();
  const moved = [];
  conversation.addEventListener('moved', ({ detail }) => moved.push([detail.entry.text, detail.before?.text ?? null]));
  conversation.streamed(chunk(0, 'half'));
  conversation.stored(question(7, { requestId: 'r7' }));
  conversation.stored(question(1));
  assert.deepEqual(moved, [['half', 'question 7']]);
  assert.deepEqual(shown(conversation), ['mine question 1', 'answer half', 'mine question 7']);
});

test('who waits for an extension waits for no master', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  conversation.status({ requestId: 'r1', status: 'queued', waitsFor: 'extension' });
  assert.equal(entry.state, 'extension');
  conversation.status({ requestId: 'r1', status: 'failed', message: 'The extension said nothing.' });
  assert.deepEqual([entry.state, entry.note], ['failed', 'The extension said nothing.']);
});

test('a history that was read before a question was stored does not take it away', () => {
  const { conversation } = make();
  conversation.page(page([question(1)], 1));
  conversation.interrupted();
  conversation.ask('r2', 'question 2');
  conversation.stored(question(2), { live: true });
  conversation.page({ ...page([question(1)], 2), updateId: 'v' });
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine question 2']);
  conversation.interrupted();
  conversation.page({ ...page([question(1)], 2), updateId: 'w' });
  assert.deepEqual(shown(conversation), ['mine question 1'], 'what was deleted meanwhile goes');
});
