// Questions of the page, with the real client on a hub that is played. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Asking } = await import(`${process.env.STATIC}/asking.js`);
const { Conversation } = await import(`${process.env.STATIC}/conversation.js`);
const { Failure } = await import(`${process.env.CLIENT}/lib/failure.js`);
const { Answer } = await import(`${process.env.CLIENT}/lib/answer.js`);

const ME = 'web-1';

/** What Asking uses of newage-client's Hub. */
class FakeHub {
  asked = [];
  answers = [];
  stopped = [];
  refuses = null;
  stands = new Map(); // request id -> what is said of it
  asksAfter = [];

  async standings(requestIds) {
    this.asksAfter.push([...requestIds]);
    if (this.refuses) throw this.refuses;
    return requestIds.map((requestId) => ({ requestId, status: 'gone', live: false, ...this.stands.get(requestId) }));
  }

  ask(text, how) {
    this.asked.push([text, how]);
    const answer = new Answer(`r${this.asked.length}`, how.room, ({ requestId }) => this.stop(requestId));
    this.answers.push(answer);
    return answer;
  }

  async stop(requestId, requester) {
    this.stopped.push([requestId, requester]);
    if (this.refuses) throw this.refuses;
    return { requestId, state: 'cancelled', outputs: [] };
  }
}

function make(notes = null) {
  const hub = new FakeHub();
  const conversation = new Conversation(ME);
  return { hub, conversation, asking: new Asking(hub, ME, conversation, notes) };
}

test('a question goes to the room, and to an extension where one is chosen', () => {
  const { hub, conversation, asking } = make();
  asking.ask('hi', '');
  asking.ask('you', 'SillyTavern-1');
  assert.deepEqual(hub.asked, [['hi', { room: ME }], ['you', { room: ME, target: 'SillyTavern-1' }]]);
  assert.deepEqual(conversation.entries.map(({ text, state, requestId }) => [text, state, requestId]), [['hi', 'sending', 'r1'], ['you', 'sending', 'r2']]);
});

test('the ack, and the end, are its own; other words come by the hub', () => {
  const { hub, conversation, asking } = make();
  asking.ask('hi', '');
  const [entry] = conversation.entries;
  const [answer] = hub.answers;
  answer.status({ status: 'ok', requestId: 'r1', messageId: 'm1', questionId: 'm1', state: 'queued', waitsFor: 'turn', position: 2 });
  assert.deepEqual([entry.messageId, entry.state, entry.place], ['m1', 'turn', { position: 2, of: 0 }]);
  answer.status({ status: 'forwarded', requestId: 'r1' });
  assert.equal(entry.state, 'turn');
  answer.status({ status: 'forwarded', requestId: 'r1', live: true });
  assert.equal(entry.state, 'forwarded', 'what was said while the line was down');
  answer.status({ status: 'queued', requestId: 'r1', live: true, waitsFor: 'extension', position: 1 });
  assert.deepEqual([entry.state, entry.place], ['extension', { position: 1, of: 0 }]);
  answer.finish();
  assert.equal(entry.state, 'completed', 'also where its last word was lost');
});

test('a refusal is the question’s, with its id if it was stored', () => {
  const { hub, conversation, asking } = make();
  asking.ask('hi', '');
  hub.answers[0].fail(Failure.of({ status: 'error', message: 'No connected SillyTavern extensions.', messageId: 'm1' }));
  const [entry] = conversation.entries;
  assert.deepEqual([entry.state, entry.note, entry.messageId], ['failed', 'No connected SillyTavern extensions.', 'm1']);
  asking.askAgain(entry, '');
  assert.deepEqual(hub.asked[1], ['', { room: ME, action: 'regenerate', messageId: 'm1' }]);
  assert.deepEqual([conversation.entries.length, entry.requestId, entry.state], [1, 'r2', 'sending']);
});

test('what was never stored is asked for the first time', () => {
  const { hub, conversation, asking } = make();
  asking.ask('hi', '');
  hub.answers[0].fail(new Failure('Too many requests.'));
  asking.askAgain(conversation.entries[0], 'SillyTavern-1');
  assert.deepEqual(hub.asked[1], ['hi', { room: ME, target: 'SillyTavern-1' }]);
});

test('the newest is stopped first, then the one before, then nothing', async () => {
  const { hub, conversation, asking } = make();
  asking.ask('one', '');
  asking.ask('two', '');
  const first = asking.stop();
  assert.equal(conversation.entries[1].stopping, true);
  await Promise.all([first, asking.stop(), asking.stop()]);
  assert.deepEqual(hub.stopped.map(([id]) => id), ['r2', 'r1']);
});

test('what another page asked is stopped by its id, what others asked by theirs', async () => {
  const { hub, conversation, asking } = make();
  conversation.stored({ messageId: 'm9', requestId: 'r9', identity: ME, message: 'earlier', seq: 1 });
  conversation.status({ requestId: 'r9', status: 'forwarded' });
  await asking.stop();
  assert.deepEqual(hub.stopped, [['r9', ME]]);
});

test('a stop that is refused is told, and can be tried again', async () => {
  const { hub, conversation, asking } = make();
  asking.ask('one', '');
  hub.refuses = new Failure('Request not found');
  await assert.rejects(asking.stop(), /Request not found/);
  assert.deepEqual([conversation.entries[0].stopping, conversation.running.length], [false, 1]);
});

/** The page once more, in the same tab: it had asked `count` questions, of which nothing is answered. */
function loadedAgain(count) {
  const kept = new Map();
  const notes = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  const before = make(notes);
  for (let n = 1; n <= count; n += 1) before.asking.ask(`${n}`, '');
  const load = () => {
    const page = make(notes);
    page.conversation.read(before.hub.asked.map(([message], n) => ({ messageId: `m${n + 1}`, requestId: `r${n + 1}`, identity: ME, message, seq: n + 1 })));
    page.conversation.whole({ ids: new Set(), from: 0, seq: 0 });
    return { ...page, states: () => page.conversation.entries.map(({ state }) => state), noted: () => JSON.parse(kept.get('newage.asked')) };
  };
  return { before, load };
}

test('what a page had asked is waited for when it is loaded again, and can be stopped', async () => {
  const { before, load } = loadedAgain(2);
  before.hub.answers[0].finish();
  const { hub, conversation, asking, states } = load();
  hub.stands.set('r2', { status: 'forwarded', live: true });
  const recalled = asking.recall();
  assert.deepEqual(states(), ['', 'forwarded'], 'at once');
  await recalled;
  assert.deepEqual([states(), hub.asksAfter], [['', 'forwarded'], [['r2']]]);
  await asking.stop();
  assert.deepEqual(hub.stopped, [['r2', ME]]);
  assert.equal(conversation.entries[1].state, 'cancelled');
});

test('where it stands after that, and why it failed, the hub says', async () => {
  const { load } = loadedAgain(3);
  const { hub, conversation, asking, states, noted } = load();
  hub.stands.set('r1', { status: 'queued', waitsFor: 'turn', position: 2, live: true });
  hub.stands.set('r2', { status: 'failed', message: 'The server was restarted.', live: false });
  await asking.recall();
  assert.deepEqual(states(), ['turn', 'failed', 'completed'], 'nothing waits for what is over');
  assert.deepEqual([conversation.entries[0].place, conversation.entries[1].note], [{ position: 2, of: 0 }, 'The server was restarted.']);
  assert.deepEqual(noted(), ['r1']);
});

test('what was stopped, and is answered since it was asked again, is not said to be stopped', async () => {
  const { load } = loadedAgain(1);
  const { hub, conversation, asking, states } = load();
  conversation.stored({ messageId: 'm9', requestId: 'r9', questionId: 'm1', isResponse: true, message: 'hm', seq: 9 });
  hub.stands.set('r1', { status: 'cancelled', live: false });
  await asking.recall();
  assert.deepEqual(states(), ['', '']);
});

test('what is asked again is no more of the earlier ones', async () => {
  const { load } = loadedAgain(1);
  const { hub, conversation, asking, noted } = load();
  hub.stands.set('r1', { status: 'forwarded', live: true });
  await asking.recall();
  conversation.status({ requestId: 'r1', status: 'cancelled' });
  hub.asked.push('r1');
  asking.askAgain(conversation.entries[0], '');
  assert.deepEqual(noted(), ['r2']);
});

test('it is waited for after one more reload, too, and after a line that was cut', async () => {
  const { load } = loadedAgain(1);
  const first = load();
  first.hub.stands.set('r1', { status: 'forwarded', live: true });
  await first.asking.recall();
  const { hub, asking, states, noted } = load();
  hub.refuses = new Failure('The line was cut.', { code: 'disconnected' });
  await asking.recall();
  assert.deepEqual([states(), noted()], [['forwarded'], ['r1']]);
  hub.refuses = null;
  await asking.recall();
  await asking.recall();
  assert.deepEqual([states(), noted(), hub.asksAfter.length], [['completed'], [], 2], 'once it is known to be over, no more is asked');
});

test('a request that the hub does not know is over', async () => {
  const { hub, conversation, asking } = make();
  asking.ask('one', '');
  hub.refuses = new Failure('Request not found', { code: 7 });
  await asking.stop();
  assert.deepEqual([conversation.entries[0].state, conversation.running], ['completed', []]);
});

test('a tab that may keep nothing, or kept something else, asks all the same', () => {
  const forbidden = () => {
    throw new Error('forbidden');
  };
  for (const notes of [{ getItem: forbidden, setItem: forbidden }, { getItem: () => '{"a":', setItem: () => {} }, { getItem: () => '[7, {}]', setItem: () => {} }]) {
    const { conversation, asking } = make(notes);
    asking.ask('one', '');
    asking.recall();
    assert.equal(conversation.entries.length, 1);
  }
});
