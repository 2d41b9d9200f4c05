import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, Failure } from '../index.js';
import { delayBefore } from '../lib/delays.js';
import { Pieces } from '../lib/pieces.js';
import { FakeHub, FakeWorld, seeded, settle } from './doubles.mjs';

async function met(options = {}) {
  const hub = new FakeHub(options);
  const world = new FakeWorld();
  const me = connect('http://hub', { io: hub.io, clientId: 'me', world });
  await world.pass(0);
  return { hub, world, me };
}

/** What somebody sees who appends pieces and obeys resets. */
function watch(answer) {
  const seen = { text: '', reasoning: '', pieces: 0, resets: 0 };
  for (const kind of ['text', 'reasoning']) {
    answer.on(kind, (piece) => {
      seen[kind] += piece;
      seen.pieces += 1;
    });
  }
  answer.on('reset', (kind, at) => {
    seen[kind] = seen[kind].slice(0, at);
    seen.resets += 1;
  });
  return seen;
}

test('an answer is read as it grows', async () => {
  const { hub, world, me } = await met();
  await me.ready;
  const answer = me.ask('Hello?', { room: 'me', requestId: 'r1' });
  const read = (async () => {
    const tokens = [];
    for await (const token of answer) tokens.push(token);
    return tokens;
  })();
  await world.pass(0);
  assert.equal(answer.state, 'forwarded');
  assert.equal(answer.questionId, 'q-r1');
  const output = hub.begin('o1', 'r1');
  for (const piece of ['One', ' two', ' three']) {
    hub.grow(output, piece);
    await settle();
  }
  hub.grow(output, 'hm', 'reasoning');
  hub.end(output);
  assert.deepEqual(await read, ['One', ' two', ' three']);
  assert.equal((await answer.done).text, 'One two three');
  assert.equal(answer.reasoning, 'hm');
  assert.deepEqual(answer.messageIds, ['a-o1']);
  const [, asked] = hub.manager.sockets.get('/llm').said.find(([event]) => event === 'LLM_REQUEST');
  assert.deepEqual(asked, { isStreaming: true, requestId: 'r1', message: 'Hello?', targetRoom: 'me' });
});

test('a failure rejects with its code, after the text that came', async () => {
  const { hub, world, me } = await met();
  const answer = me.ask('Hello?', { requestId: 'r1' });
  await world.pass(0);
  const output = hub.begin('o1', 'r1');
  hub.grow(output, 'One');
  hub.tell('ERROR', { type: 'ERROR', message: 'No more.', errorCode: 11, requestId: 'r1' });
  hub.end(output, 'failed');
  const tokens = [];
  await assert.rejects(async () => {
    for await (const token of answer) tokens.push(token);
  }, (failure) => failure instanceof Failure && failure.code === 11 && failure.message === 'No more.');
  assert.deepEqual(tokens, ['One']);
});

test('a refused question rejects', async () => {
  const { hub, world, me } = await met();
  hub.answers.LLM_REQUEST = () => ({ status: 'error', success: false, message: 'Too many requests.', errorCode: 9 });
  const answer = me.ask('Hello?');
  await world.pass(0);
  await assert.rejects(answer.done, { code: 9 });
});

test('a refused client rejects, and is let in with another key', async () => {
  const { hub, world, me } = await met({ refuses: { type: 'ERROR', message: 'Invalid key.', code: 'AUTH', errorCode: 5 } });
  assert.equal(me.state, 'refused');
  await assert.rejects(me.ready, { code: 5, message: 'Invalid key.' });
  await world.pass(600_000);
  assert.equal(me.state, 'refused');
  hub.refuses = null;
  me.retry({ key: 'k' });
  await world.pass(0);
  assert.equal(me.state, 'connected');
  assert.equal(hub.manager.sockets.get('/llm').auth.key, 'k');
});

test('stop cancels, and the text so far is kept', async () => {
  const { hub, world, me } = await met();
  const answer = me.ask('Hello?', { requestId: 'r1' });
  await world.pass(0);
  const output = hub.begin('o1', 'r1');
  hub.grow(output, 'One');
  hub.answers.CANCEL_REQUEST = ({ requestId }) => {
    hub.tell('SERVER_STREAM_END', { outputId: 'o1', requestId, data: 'One', cancelled: true, failed: false, partial: true });
    hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'cancelled', by: 'me' });
    return { status: 'ok', success: true, requestId, state: 'cancelled', outputs: ['o1'] };
  };
  const ack = answer.stop();
  await world.pass(0);
  assert.equal((await ack).state, 'cancelled');
  assert.equal((await answer.done).text, 'One');
  assert.equal(answer.outputs[0].state, 'cancelled');
});

test('a question whose ack was lost is asked once, and its answer found whenever it came', async () => {
  for (const answered of ['on the line that is back', 'while the line was down', 'while it was down again']) {
    const { hub, world, me } = await met();
    const answers = (when) => answered === when && hub.end(Object.assign(hub.begin('o1', 'r1'), { text: 'Yes.' }));
    hub.answers.LLM_REQUEST = ({ requestId }) => {
      hub.messages.push({ messageId: 'q', requestId, fromClient: true, identity: 'me', roomName: 'me', message: 'Hello?', seq: 1 });
      hub.cut();
      answers('while the line was down');
      return undefined;
    };
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await world.pass(6_000);
    assert.equal(me.state, 'connected', answered);
    answers('on the line that is back');
    if (answered === 'while it was down again') hub.cut();
    answers('while it was down again');
    await world.pass(answered === 'on the line that is back' ? 0 : 20_000);
    assert.equal(answer.over, true, answered);
    assert.equal((await answer.done).text, 'Yes.', answered);
    const asked = hub.manager.sockets.get('/llm').said.filter(([event]) => event === 'LLM_REQUEST');
    assert.equal(asked.length, 1, answered);
  }
});

test('an answer that ended while the line was down is found', async () => {
  for (const resumes of [true, false]) {
    const { hub, world, me } = await met({ resumes });
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await world.pass(0);
    const seen = watch(answer);
    const output = hub.begin('o1', 'r1');
    hub.grow(output, 'One ');
    await settle();
    hub.cut();
    hub.grow(output, 'two');
    hub.end(output);
    await world.pass(60_000);
    assert.equal((await answer.done).text, 'One two', `resumes: ${resumes}`);
    assert.equal(seen.text, 'One two');
    assert.equal(seen.resets, 0);
  }
});

test('an older hub sends all from the start after a cut', async () => {
  const { hub, world, me } = await met({ resumes: false });
  const answer = me.ask('Hello?', { requestId: 'r1' });
  await world.pass(0);
  const seen = watch(answer);
  const output = hub.begin('o1', 'r1');
  hub.grow(output, 'One ');
  await settle();
  hub.cut();
  output.text = 'One two ';
  await world.pass(6_000);
  hub.tell('SERVER_STREAM_DATA', { outputId: 'o1', requestId: 'r1', chunkIndex: 1, data: 'One two ' });
  hub.grow(output, 'three');
  hub.end(output);
  await world.pass(0);
  assert.equal((await answer.done).text, 'One two three');
  assert.equal(seen.text, 'One two three');
  assert.equal(seen.resets, 0);
});

test('neither a gap nor a double is ever seen, whatever is cut and voided when', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seeded(seed);
    const { hub, world, me } = await met();
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await world.pass(0);
    const seen = watch(answer);
    const output = hub.begin('o1', 'r1');
    let resets = 0;
    for (let step = 0; step < 40; step += 1) {
      const kind = random() < 0.2 ? 'reasoning' : 'text';
      const dice = random();
      if (dice < 0.6) hub.grow(output, `${kind[0]}${step} `, kind);
      else if (dice < 0.7) {
        hub.reset(output, Math.floor(random() * output[kind].length), kind);
        resets += 1;
      } else if (dice < 0.85) hub.cut();
      else await world.pass(random() * 4_000);
      if (random() < 0.5) await settle();
      if (resets === 0 && !output.text.startsWith(seen.text)) assert.fail(`seed ${seed}: ${seen.text} is no beginning of ${output.text}`);
    }
    hub.end(output);
    await world.pass(120_000);
    assert.equal(answer.over, true, `seed ${seed}`);
    assert.equal(seen.text, output.text, `seed ${seed}`);
    assert.equal(answer.text, output.text, `seed ${seed}`);
    assert.equal(seen.reasoning, output.reasoning, `seed ${seed}`);
    if (resets === 0) assert.equal(seen.resets, 0, `seed ${seed}`);
    me.close();
  }
});

test('a hub that is away is tried again for ever, and at once when the page wakes', async () => {
  const { hub, world, me } = await met();
  const states = [];
  me.on('state', ({ state }) => states.push(state));
  hub.down = true;
  hub.cut();
  await world.pass(3_600_000);
  hub.down = false;
  for (const told of world.awake) told();
  await world.pass(0);
  assert.equal(me.state, 'connected');
  assert.deepEqual([...new Set(states)], ['reconnecting', 'connected']);
  me.close();
  assert.equal(world.awake.size, 0);
});

test('a line that only looks open is found out when the page wakes', async () => {
  const { hub, world, me } = await met();
  const hear = hub.hear;
  hub.hear = () => undefined;
  for (const told of world.awake) told();
  await world.pass(15_000);
  assert.equal(me.state, 'reconnecting');
  hub.hear = hear;
  await world.pass(6_000);
  assert.equal(me.state, 'connected');
});

test('delays are of 1 to 5 seconds for two minutes, then of up to 30', () => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    for (const random of [0, 0.5, 1]) {
      const eager = delayBefore(attempt, 119_000, random);
      assert.ok(eager >= 1_000 && eager <= 5_000);
      assert.ok(delayBefore(attempt, 10_000_000, random) <= 30_000);
    }
  }
  assert.equal(delayBefore(100, 10_000_000, 1), 30_000);
});

test('pieces that come twice or too early are put in their place', () => {
  const pieces = new Pieces();
  assert.equal(pieces.add(0, 'abc'), 'abc');
  assert.equal(pieces.add(1, 'bcd'), 'd');
  assert.equal(pieces.add(6, 'gh'), '');
  assert.equal(pieces.gap, true);
  assert.equal(pieces.add(4, 'ef'), 'efgh');
  assert.equal(pieces.gap, false);
  assert.equal(pieces.cut(2), true);
  assert.equal(pieces.text, 'ab');
});
