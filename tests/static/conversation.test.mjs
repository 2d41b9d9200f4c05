// The model of a conversation: what it makes of the hub's events. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Conversation } = await import(`${process.env.STATIC}/conversation.js`);
const { authorOf } = await import(`${process.env.STATIC}/entry.js`);
const { Output } = await import(`${process.env.CLIENT}/lib/output.js`);

const ME = 'web-1';
const EXT = 'SillyTavern-8000';

function make(options = {}) {
  const conversation = new Conversation(ME, { now: () => '2026-11-23T10:00:00.000Z', ...options });
  const told = [];
  for (const type of ['added', 'changed', 'appended', 'thought', 'removed', 'finished']) {
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
/** An output that a conversation follows, as newage-client makes it of what the hub says. */
function follow(conversation, { outputId = 'o1', ...about } = {}) {
  const output = new Output(outputId);
  output.describe({ requestId: 'r1', identity: EXT, ...about });
  conversation.follow(output);
  return {
    output,
    grows: (data, more = {}) => output.grown({ at: output.text.length, data, ...more }),
    ends: (data = output.text, more = {}) => output.ended({ data, ...more }),
  };
}

const read = (conversation, messages, seq) => {
  conversation.read(messages);
  conversation.whole({ ids: new Set(messages.map(({ messageId }) => messageId)), from: 0, seq });
};
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
  for (const status of ['forwarded', 'accepted', 'rerouted', 'processing']) {
    conversation.status({ requestId: 'r1', status });
    assert.equal(conversation.waiting, true, status);
  }
  follow(conversation).grows('A');
  assert.equal(conversation.waiting, false);
});

test('an answer grows by its pieces and ends whole', () => {
  const { conversation, types } = make();
  const { grows, ends } = follow(conversation);
  assert.equal(conversation.entries.length, 0, 'it is shown from its first word on');
  for (const data of ['One', ' two', ' three']) grows(data);
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.streaming, entry.author], ['One two three', true, EXT]);
  assert.deepEqual(types(), ['added', 'appended', 'appended', 'appended'], 'the view appends, and draws nothing again');
  ends();
  conversation.stored(response(1, { message: 'One two three' }), { live: true });
  assert.deepEqual(texts(conversation), ['One two three']);
  assert.deepEqual([entry.streaming, entry.messageId], [false, 'a1']);
  assert.equal(types().filter((type) => type === 'finished').length, 1, 'announced once');
});

test('what comes twice is there once, what is missed comes with the end', () => {
  const { conversation } = make();
  const { grows, ends } = follow(conversation);
  grows('a');
  grows('a', { at: 0 });
  grows('c', { at: 2 });
  assert.equal(conversation.entries[0].text, 'a');
  ends('abc');
  assert.equal(conversation.entries[0].text, 'abc');
});

test('what is stored before the end has come is not doubled by it', () => {
  const { conversation, types } = make();
  const { grows, ends } = follow(conversation);
  grows('ab');
  conversation.stored(response(1, { message: 'abcd' }), { live: true });
  grows('cd');
  ends('abcd');
  assert.deepEqual([texts(conversation), types().filter((type) => type === 'finished').length], [['abcd'], 1]);
});

test('an answer in one piece is there once, whichever event comes first', () => {
  for (const storedFirst of [true, false]) {
    const { conversation, types } = make();
    const store = () => conversation.stored(response(1), { live: true });
    const tell = () => follow(conversation).output.ended({ message: 'answer 1', messageId: 'a1' });
    for (const step of storedFirst ? [store, tell] : [tell, store]) step();
    assert.deepEqual(texts(conversation), ['answer 1']);
    assert.equal(conversation.entries[0].streaming, false);
    assert.equal(types().filter((type) => type === 'finished').length, 1);
  }
});

test('what is taken back goes, and what comes instead is appended', () => {
  const { conversation, types } = make();
  const { output, grows } = follow(conversation);
  grows('one two');
  output.voided({ at: 3, rev: 1 });
  assert.equal(conversation.entries[0].text, 'one');
  grows(' three');
  assert.deepEqual([texts(conversation), types().at(-1)], [['one three'], 'appended']);
});

test('an answer that goes on after its end grows on and is edited at last', () => {
  const { conversation } = make();
  const { grows, ends } = follow(conversation);
  grows('first');
  ends();
  conversation.stored(response(1, { message: 'first' }), { live: true });
  grows(' more');
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.streaming], ['first more', true]);
  read(conversation, [response(1, { message: 'first' })], 2);
  assert.deepEqual([entry.text, entry.streaming], ['first more', true], 'the history knows less of it');
  ends();
  assert.deepEqual([entry.text, entry.streaming], ['first more', false]);
  conversation.stored(response(1, { message: 'first more!' }), { live: true });
  assert.deepEqual(texts(conversation), ['first more!']);
});

test('one that was going on and failed is what is stored of it', () => {
  const { conversation } = make();
  const { grows, ends } = follow(conversation);
  grows('first');
  ends();
  conversation.stored(response(1, { message: 'first' }), { live: true });
  grows(' more');
  conversation.stored(response(1, { message: 'by hand' }), { live: true });
  ends('first more', { failed: true });
  assert.deepEqual(texts(conversation), ['by hand']);
});

test('an end without any piece seen still shows the answer; an empty one shows nothing', () => {
  const { conversation } = make();
  follow(conversation).ends('all at once');
  follow(conversation, { outputId: 'o2' }).ends('');
  assert.deepEqual(texts(conversation), ['all at once']);
});

test('a failed stream keeps its part and says so', () => {
  const { conversation } = make();
  const { grows, ends } = follow(conversation);
  grows('half');
  ends('half', { failed: true, partial: true });
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.failed, entry.stopped], ['half', true, false]);
});

test('a stopped one keeps its part and is no failure, live and from the history', () => {
  const { conversation } = make();
  const { grows, ends } = follow(conversation);
  grows('half');
  ends('half', { cancelled: true, partial: true });
  const again = make().conversation;
  again.stored(response(1, { message: 'half', partial: true }));
  for (const [entry] of [conversation.entries, again.entries]) {
    assert.deepEqual([entry.text, entry.failed, entry.stopped, entry.streaming], ['half', false, true, false]);
  }
});

test('an answer that the hub could not keep says so', () => {
  const { conversation } = make();
  follow(conversation).ends('x', { stored: false });
  assert.equal(conversation.entries[0].lost, true);
});

test('what the model thinks stands apart and counts as a sign of the answer', () => {
  const { conversation, types } = make();
  conversation.ask('r1', 'x');
  conversation.status({ requestId: 'r1', status: 'forwarded' });
  const { grows, ends } = follow(conversation);
  grows('h', { at: 0, kind: 'reasoning' });
  grows('m', { at: 1, kind: 'reasoning' });
  assert.deepEqual(types().slice(-3), ['added', 'thought', 'thought']);
  const entry = conversation.entries[1];
  assert.deepEqual([entry.text, entry.reasoning, entry.streaming, conversation.waiting], ['', 'hm', true, false]);
  grows('So.');
  ends('So.', { reasoning: 'hm!' });
  assert.deepEqual([entry.text, entry.reasoning], ['So.', 'hm!']);
});

test('words for somebody’s own input are no answer', () => {
  const { conversation } = make();
  follow(conversation, { action: 'impersonate' }).grows('I say');
  assert.deepEqual(texts(conversation), []);
});

test('what lets an answer grow becomes a part of it', () => {
  const { conversation } = make();
  conversation.stored(response(1, { message: 'one', outputId: 'o0' }), { live: true });
  const { grows, ends } = follow(conversation, { action: 'continue' });
  grows(' two');
  assert.deepEqual(texts(conversation), ['one', ' two']);
  conversation.stored(response(1, { message: 'one two', outputId: 'o0' }), { live: true });
  ends(' two', { messageId: 'a1' });
  assert.deepEqual(texts(conversation), ['one two']);
});

test('who speaks is named by the character, and never without the extension', () => {
  const { conversation } = make();
  follow(conversation, { character: { id: '1', name: 'Seraphina' } }).grows('Hi');
  conversation.stored(response(2, { character: { id: '2', name: 'Bob' } }));
  assert.deepEqual(conversation.entries.map(authorOf).sort(), [`Bob (${EXT})`, `Seraphina (${EXT})`]);
});

test('a cut line stops the streaming look until it is back, and then it goes on', () => {
  const { conversation } = make();
  const { grows } = follow(conversation);
  grows('ha');
  conversation.interrupted();
  const [entry] = conversation.entries;
  assert.deepEqual([entry.streaming, entry.cut], [true, true]);
  grows('lf');
  assert.deepEqual([entry.text, entry.streaming, entry.cut], ['half', true, false]);
  conversation.interrupted();
  conversation.resumed();
  assert.deepEqual([entry.streaming, entry.cut], [true, false]);
});

test('what ended while the line was cut has ended', () => {
  const { conversation } = make();
  const { output, grows } = follow(conversation);
  grows('ha');
  conversation.interrupted();
  output.resumed({ state: 'ended', rev: 0, from: 2, text: 'lf', messageId: 'a1' });
  conversation.resumed();
  read(conversation, [response(1, { message: 'half' })], 2);
  const [entry] = conversation.entries;
  assert.deepEqual([texts(conversation), entry.streaming, entry.cut], [['half'], false, false]);
});

test('what the hub knows nothing of any more is broken off', () => {
  const { conversation } = make();
  const { output, grows } = follow(conversation);
  grows('ha');
  conversation.interrupted();
  output.resumed({ outputId: 'o1', state: 'gone' });
  conversation.resumed();
  const [entry] = conversation.entries;
  assert.deepEqual([entry.text, entry.failed, entry.lost, entry.streaming], ['ha', true, true, false]);
});

const running = (conversation) => conversation.running.map(({ requestId, requester }) => [requestId, requester]);

test('what is being answered, or is to be, can be stopped, the newest first and each once', () => {
  const { conversation } = make();
  for (const id of ['r1', 'r2', 'r3']) conversation.ask(id, id);
  conversation.status({ requestId: 'r1', status: 'forwarded' });
  conversation.status({ requestId: 'r2', status: 'queued', waitsFor: 'turn' });
  const theirs = follow(conversation, { outputId: 'o9', requestId: 'r9', requester: 'web-2' });
  theirs.grows('x');
  const { grows, ends } = follow(conversation, { requester: ME });
  grows('x');
  assert.deepEqual(running(conversation), [['r9', 'web-2'], ['r3', ME], ['r2', ME], ['r1', ME]]);
  conversation.stopping('r9', true);
  conversation.stopping('r3', true);
  assert.deepEqual(running(conversation), [['r2', ME], ['r1', ME]], 'pressed again it is the next one');
  conversation.stopping('r3', false);
  theirs.ends('x', { cancelled: true });
  ends();
  for (const requestId of ['r1', 'r2', 'r3']) conversation.status({ requestId, status: 'cancelled' });
  assert.deepEqual(running(conversation), []);
  assert.ok(conversation.entries.every((entry) => !entry.stopping));
});

test('an answer can be stopped after a reload, too', () => {
  const { conversation } = make();
  follow(conversation, { requester: ME }).grows('x');
  read(conversation, [question(1)], 1);
  assert.deepEqual(running(conversation), [['r1', ME]]);
});

test('refusals reach their question, others are nobody’s', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  assert.equal(conversation.refused('r1', 'No.', 'm1'), true);
  assert.deepEqual([entry.state, entry.note, entry.messageId], ['failed', 'No.', 'm1']);
  conversation.status({ requestId: 'r1', status: 'failed' });
  assert.equal(entry.note, 'No.', 'the reason stays');
  read(conversation, [], 0);
  assert.equal(conversation.refused('r9', 'No.'), false);
  assert.equal(conversation.refused(undefined, 'No.'), false);
});

test('what is said of a question before the history brings it is said then', () => {
  const { conversation } = make();
  const unclaimed = [];
  conversation.addEventListener('unclaimed', ({ detail }) => unclaimed.push(detail.message));
  assert.equal(conversation.refused('r1', 'The server was restarted.'), true);
  conversation.status({ requestId: 'r1', status: 'failed' });
  conversation.status({ requestId: 'r2', status: 'queued', waitsFor: 'turn', position: 2 });
  conversation.refused('r9', 'Request timed out.');
  for (let n = 100; n < 300; n += 1) conversation.status({ requestId: `r${n}`, status: 'forwarded' });
  assert.deepEqual(make().conversation.entries, []);
  const again = make().conversation;
  const told = [];
  again.addEventListener('unclaimed', ({ detail }) => told.push(detail.message));
  again.refused('r1', 'The server was restarted.');
  again.status({ requestId: 'r1', status: 'failed' });
  again.status({ requestId: 'r2', status: 'queued', waitsFor: 'turn', position: 2 });
  again.refused('r9', 'Request timed out.');
  read(again, [question(1), question(2)], 2);
  assert.deepEqual(again.entries.map(({ state, note }) => [state, note]), [['failed', 'The server was restarted.'], ['turn', '']]);
  assert.deepEqual(told, ['Request timed out.'], 'what is of no question here is not lost');
  read(conversation, [question(1)], 1);
  assert.deepEqual([conversation.entries[0].state, unclaimed], ['', []], 'only so many are kept');
});

test('what had been handed out before a reload is waited for, unless more is known', () => {
  const { conversation } = make();
  conversation.status({ requestId: 'r3', status: 'failed', message: 'No.' });
  read(conversation, [question(1), question(3), response(3), question(5)], 6);
  for (const id of ['r1', 'r3', 'r9']) conversation.handedOut(id);
  assert.deepEqual(conversation.entries.map(({ state }) => state), ['forwarded', 'failed', '', '']);
  assert.equal(conversation.waiting, true);
});

test('asking again reuses the question', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  conversation.refused('r1', 'No.', 'm1');
  conversation.askAgain(entry, 'r2');
  assert.deepEqual([entry.state, entry.note, entry.messageId], ['sending', '', 'm1']);
  conversation.accepted('r2', { messageId: 'm1', state: 'forwarded' });
  follow(conversation, { requestId: 'r2', questionId: 'm1' }).grows('A');
  assert.deepEqual([texts(conversation), entry.state, conversation.waiting], [['x', 'A'], 'forwarded', false]);
});

test('what was asked again has all its answers below it, live and after a reload', () => {
  const [live, again] = [make().conversation, make().conversation];
  const first = live.ask('r1', 'question 1');
  live.accepted('r1', { messageId: 'm1', state: 'forwarded' });
  live.stored(question(1), { live: true });
  live.stored(response(1), { live: true });
  live.stored(question(3), { live: true });
  live.askAgain(first, 'r4');
  follow(live, { outputId: 'o4', requestId: 'r4', questionId: 'm1' }).grows('answer 4');
  read(again, [question(1), response(1), question(3), response(4, { questionId: 'm1' })], 5);
  for (const conversation of [live, again]) {
    assert.deepEqual(shown(conversation), ['mine question 1', 'answer answer 1', 'answer answer 4', 'mine question 3']);
  }
});

test('where a question waits is known, and why it went to another extension', () => {
  const { conversation } = make();
  const entry = conversation.ask('r1', 'x');
  conversation.accepted('r1', { messageId: 'm1', state: 'queued', waitsFor: 'turn', position: 3 });
  assert.deepEqual([entry.state, entry.place], ['turn', { position: 3, of: 0 }]);
  conversation.queued({ requestId: 'r1', waitsFor: 'turn', position: 2, of: 3 });
  assert.deepEqual([entry.state, entry.place], ['turn', { position: 2, of: 3 }]);
  conversation.status({ requestId: 'r1', status: 'queued', waitsFor: 'turn', position: 1, message: 'Somebody types.' });
  assert.deepEqual([entry.note, entry.place], ['Somebody types.', { position: 1, of: 0 }]);
  conversation.status({ requestId: 'r1', status: 'rerouted', from: 'A', to: 'B' });
  conversation.status({ requestId: 'r1', status: 'forwarded' });
  assert.deepEqual([entry.state, entry.detour, entry.note, entry.place], ['forwarded', { from: 'A', to: 'B' }, '', null]);
});

test('a question of which nothing more will be heard is open no longer', () => {
  for (const [state, message, expected] of [
    ['completed', '', 'completed'],
    ['forwarded', '', 'completed'],
    ['cancelled', '', 'cancelled'],
    ['forwarded', 'The answer was not finished.', 'failed'],
  ]) {
    const { conversation } = make();
    const entry = conversation.ask('r1', 'x');
    conversation.over('r1', { state, message });
    assert.deepEqual([entry.state, entry.note], [expected, message]);
    conversation.over('r1', { state: 'failed', message: 'late' });
    assert.equal(entry.state, expected, 'what is over stays as it is');
  }
});

test('history shows a question once, however often it was asked again', () => {
  const { conversation } = make();
  const again = question(2, { message: 'question 1', requestType: 'regenerateMessage' });
  const later = question(5, { message: 'question 1' });
  const pages = [question(1), again, response(2), later];
  for (let times = 0; times < 2; times += 1) read(conversation, pages, 5);
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

test('history comes newest first, stands in order, and drops what the hub no longer has', () => {
  const { conversation } = make();
  conversation.stored(question(1), { live: true });
  conversation.stored(question(4), { live: true });
  conversation.interrupted();
  const pending = conversation.ask('r9', 'not sent yet');
  conversation.read([question(4)]);
  conversation.read([question(2), response(2)]);
  assert.equal(conversation.entries[0].text, 'question 1', 'until all is read');
  conversation.whole({ ids: new Set(['m4', 'm2', 'a2']), from: 0, seq: 4 });
  assert.deepEqual(texts(conversation), ['question 2', 'answer 2', 'question 4', 'not sent yet']);
  assert.equal(conversation.entries.at(-1), pending);
});

test('what lies before all that was read stays', () => {
  const { conversation } = make();
  conversation.stored(question(1));
  conversation.stored(question(2));
  conversation.read([question(3)]);
  conversation.whole({ ids: new Set(['m3']), from: 2, seq: 3 });
  assert.deepEqual(texts(conversation), ['question 1', 'question 3']);
});

test('what arrives while history is read stays', () => {
  const { conversation } = make();
  conversation.read([question(1)]);
  conversation.stored(question(2), { live: true });
  conversation.whole({ ids: new Set(['m1']), from: 0, seq: 1 });
  assert.deepEqual(texts(conversation), ['question 1', 'question 2']);
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
    conversation.status(odd ?? {});
    conversation.queued(odd ?? {});
  }
  conversation.ask('r1', 'x');
  conversation.status({ requestId: 'r1', status: 'rerouted', message: {}, position: 'x', waitsFor: 7, from: null, to: ['a'] });
  conversation.queued({ requestId: 'r1', position: 1, of: 'x', waitsFor: {} });
  conversation.accepted('r1', { messageId: 7, state: 7 });
  follow(conversation, { outputId: 'o', identity: 7, character: { name: 7 } }).grows('x');
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

test('a name turns nothing of what stands beside it', () => {
  const { conversation } = make();
  conversation.stored(question(1, { identity: 'bob', name: '\u202Enn\u2067A\u0000\u2029' }));
  follow(conversation, { requestId: 'r9', character: { name: '\u200F \u061C' } }).grows('x');
  assert.deepEqual(conversation.entries.map(authorOf), ['nnA (bob)', EXT]);
});

const shown = (conversation) => conversation.entries.map(({ kind, text }) => `${kind} ${text}`);

test('an answer that grows while the page is loaded again stands below its question, not above all history', () => {
  const { conversation } = make();
  follow(conversation, { outputId: 'o9', requestId: 'r5' }).grows('half');
  read(conversation, [question(1), response(1), question(3), response(3), question(5)], 5);
  const expected = ['mine question 1', 'answer answer 1', 'mine question 3', 'answer answer 3', 'mine question 5', 'answer half'];
  assert.deepEqual(shown(conversation), expected);
  conversation.stored(response(5, { outputId: 'o9', message: 'half', seq: 6 }), { live: true });
  assert.deepEqual(shown(conversation), expected);
});

test('an answer without a known question grows after all history', () => {
  const { conversation } = make();
  follow(conversation, { requestId: '' }).grows('half');
  read(conversation, [question(1), question(2)], 2);
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine question 2', 'answer half']);
});

test('two questions asked at once have their answers below them, live and after a reload', () => {
  const live = make().conversation;
  read(live, [], 0);
  live.ask('r1', 'question 1');
  live.ask('r2', 'question 2');
  live.stored(question(1), { live: true });
  live.stored(question(2), { live: true });
  follow(live, { outputId: 'o2', requestId: 'r2' }).grows('answer 2');
  follow(live, { outputId: 'o1', requestId: 'r1' }).grows('answer 1');
  const expected = ['mine question 1', 'answer answer 1', 'mine question 2', 'answer answer 2'];
  assert.deepEqual(shown(live), expected);
  live.stored(response(2, { seq: 3 }), { live: true });
  live.stored(response(1, { seq: 4 }), { live: true });
  assert.deepEqual(shown(live), expected);
  const again = make().conversation;
  read(again, [question(1), question(2), response(2, { seq: 3 }), response(1, { seq: 4 })], 4);
  assert.deepEqual(shown(again), expected);
});

test('what the hub did not take stays where it was asked', () => {
  const { conversation } = make();
  read(conversation, [question(1)], 1);
  conversation.ask('lost', 'lost');
  conversation.refused('lost', 'No.');
  conversation.stored(question(2), { live: true });
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine lost', 'mine question 2']);
});

test('who is moved is told to the view', () => {
  const { conversation } = make();
  const moved = [];
  conversation.addEventListener('moved', ({ detail }) => moved.push([detail.entry.text, detail.before?.text ?? null]));
  follow(conversation).grows('half');
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
  read(conversation, [question(1)], 1);
  conversation.interrupted();
  conversation.ask('r2', 'question 2');
  conversation.stored(question(2), { live: true });
  read(conversation, [question(1)], 2);
  assert.deepEqual(shown(conversation), ['mine question 1', 'mine question 2']);
  conversation.interrupted();
  read(conversation, [question(1)], 2);
  assert.deepEqual(shown(conversation), ['mine question 1'], 'what was deleted meanwhile goes');
});
