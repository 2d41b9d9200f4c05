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

test('whose an output is, is known when it is told of', async () => {
  const { hub, me } = await met();
  const told = [];
  me.on('output', (output) => told.push([output.requestId, output.roomName, output.text]));
  hub.grow(hub.begin('o1', 'r1'), 'One');
  await settle();
  assert.deepEqual(told, [['r1', 'me', '']]);
});

test('who can answer is a list, an empty one where nobody is', async () => {
  const { hub, world, me } = await met();
  hub.answers.GET_SILLYTAVERN_EXTENSION = () => ({ status: 'ok', extensions: ['a', 'b'], details: [{ identity: 'a', desc: 'home' }] });
  const listed = me.extensions();
  await world.pass(0);
  assert.deepEqual(await listed, [{ identity: 'a', desc: 'home' }, { identity: 'b' }]);
  hub.answers.GET_SILLYTAVERN_EXTENSION = () => ({ status: 'error', message: 'No connected SillyTavern extensions.', extensions: [] });
  const none = me.extensions();
  await world.pass(0);
  assert.deepEqual(await none, []);
});

test('what was asked by a page that is gone is stopped by its id', async () => {
  const { hub, world, me } = await met();
  hub.answers.CANCEL_REQUEST = ({ requestId }) => ({ status: 'ok', success: true, requestId, state: 'cancelled', outputs: [] });
  const stopped = me.stop('r7');
  await world.pass(0);
  assert.deepEqual([(await stopped).requestId, (await stopped).state], ['r7', 'cancelled']);
});

test('a page that was loaded again asks where what it had asked stands', async () => {
  const { hub, world, me } = await met();
  hub.requests = { r7: { status: 'queued', waitsFor: 'turn', position: 2, live: true } };
  hub.grow(hub.begin('o1', 'r6'), 'One');
  await world.pass(0);
  const found = me.standings(['r7', 'r8']);
  await world.pass(0);
  assert.deepEqual((await found).map(({ requestId, status, live }) => [requestId, status, live]), [['r7', 'queued', true], ['r8', 'gone', false]]);
  assert.deepEqual(me.outputs.map(({ text }) => text), ['One']);
  hub.resumes = false;
  const none = assert.rejects(me.standings(['r7']), { code: 'timeout' });
  await world.pass(60_000);
  await none;
});

test('staff stops what another one asked by naming who', async () => {
  const { hub, world, me } = await met();
  hub.answers.CANCEL_REQUEST = ({ requestId, identity }) => ({ status: 'ok', success: true, requestId, identity });
  const stopped = me.stop('r7', 'bob');
  await world.pass(0);
  assert.deepEqual([(await stopped).requestId, (await stopped).identity], ['r7', 'bob']);
});

test('a line that goes another way says so, each time that it is up', async () => {
  const { hub, world, me } = await met();
  const ways = [];
  me.on('transport', (way) => ways.push(way));
  const upgrade = () => {
    hub.manager.engine.transport.name = 'websocket';
    hub.manager.engine.tell('upgrade');
  };
  assert.equal(me.transport, 'polling');
  upgrade();
  [...hub.lines][0].cut();
  await world.pass(2_000);
  upgrade();
  assert.deepEqual([ways, me.transport], [['websocket', 'websocket'], 'websocket']);
});

test('what waits is listed and released, and who asked sees his place', async () => {
  const { hub, world, me } = await met();
  const places = [];
  me.on('queue', ({ requestId, position, of }) => places.push([requestId, position, of]));
  hub.answers.LLM_REQUEST = ({ requestId }) => ({ status: 'ok', success: true, requestId, messageId: 'q', state: 'queued', waitsFor: 'host', position: 2 });
  const answer = me.ask('Hello?', { room: 'club', requestId: 'r1' });
  await world.pass(0);
  assert.deepEqual([answer.state, answer.waitsFor, answer.position], ['queued', 'host', 2]);
  hub.tell('QUEUE_UPDATE', { roomName: 'club', requestId: 'r1', waitsFor: 'host', position: 1, of: 3 });
  await settle();
  assert.deepEqual([answer.state, answer.waitsFor, answer.position], ['queued', 'host', 1]);
  assert.deepEqual(places, [['r1', 1, 3]]);

  const entries = [{ requestId: 'r1', identity: 'me', name: null, messageId: 'q', since: '', waitsFor: 'host', position: 1 }];
  hub.answers.GET_QUEUE = ({ roomName }) => ({ status: 'ok', success: true, entries: roomName === 'club' ? entries : [] });
  const listed = Promise.all([me.queue('club'), me.queue()]);
  await world.pass(0);
  assert.deepEqual(await listed, [entries, []]);

  hub.answers.SUBMIT_QUEUE = ({ requestId }) => ({ status: 'ok', success: true, requestId, messageId: 'q', state: 'forwarded' });
  const whole = me.submit('club', { requestId: 's1' });
  hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'merged', mergedInto: 's1' });
  await world.pass(0);
  assert.deepEqual([whole.state, whole.questionId, answer.state], ['forwarded', 'q', 'merged']);
  const output = hub.begin('o1', 's1');
  hub.grow(output, 'To both.');
  hub.end(output);
  await world.pass(0);
  assert.equal((await whole.done).text, 'To both.');
  const said = hub.manager.sockets.get('/llm').said.filter(([event]) => event === 'SUBMIT_QUEUE');
  assert.deepEqual(said, [['SUBMIT_QUEUE', { roomName: 'club', requestId: 's1' }]]);

  hub.answers.SUBMIT_QUEUE = () => ({ status: 'error', success: false, message: 'The queue is empty', errorCode: 7 });
  const nothing = me.submit();
  await world.pass(0);
  await assert.rejects(nothing.done, { code: 7 });
});

test('a queue whose release was not acked is released once', async () => {
  const { hub, world, me } = await met();
  hub.answers.SUBMIT_QUEUE = ({ requestId }) => {
    hub.answers.SUBMIT_QUEUE = () => ({ status: 'error', success: false, message: 'Duplicate requestId.', errorCode: 3 });
    hub.begin('o1', requestId);
    hub.cut();
    return undefined;
  };
  const answer = me.submit('club', { requestId: 's1' });
  await world.pass(6_000);
  assert.equal(answer.state, 'forwarded');
  hub.end(Object.assign(hub.outputs.get('o1'), { text: 'Yes.' }));
  await world.pass(20_000);
  assert.equal((await answer.done).text, 'Yes.');
});

test('an answer goes on at another extension, wherever the line is cut', async () => {
  const { hub, world, me } = await met();
  const answer = me.ask('Hello?', { requestId: 'r1', failover: true });
  await world.pass(0);
  const statuses = [];
  answer.on('status', ({ status, from, to }) => statuses.push([status, from, to]));
  const first = hub.begin('o1', 'r1');
  first.state = 'cancelled';
  hub.tell('SERVER_STREAM_END', { outputId: 'o1', requestId: 'r1', data: '', cancelled: true, failed: false });
  hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'rerouted', from: 'a', to: 'b' });
  await settle();
  assert.equal(answer.state, 'rerouted');
  hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'forwarded' });
  await settle();
  assert.deepEqual(statuses, [['rerouted', 'a', 'b'], ['forwarded', undefined, undefined]]);
  hub.cut();
  await world.pass(60_000);
  assert.equal(answer.over, false);
  const second = hub.begin('o2', 'r1');
  hub.grow(second, 'Here.');
  hub.end(second);
  await world.pass(0);
  assert.equal((await answer.done).text, 'Here.');
  assert.deepEqual(answer.outputs.map(({ outputId }) => outputId), ['o2']);
});

test('a question that is stopped before its ack, while the line is down, is taken back at the return if it may have been heard', async () => {
  for (const heard of [true, false]) {
    const { hub, world, me } = await met();
    const taken = [];
    hub.answers.CANCEL_REQUEST = ({ requestId }) => {
      taken.push(requestId);
      return { status: 'ok', success: true, requestId, state: 'cancelled', outputs: [] };
    };
    hub.answers.LLM_REQUEST = () => undefined;
    if (!heard) hub.cut();
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await settle();
    if (heard) hub.cut();
    assert.equal((await answer.stop()).state, 'cancelled');
    await answer.done;
    await world.pass(10_000);
    assert.deepEqual(taken, heard ? ['r1'] : []);
  }
});

test('a question that is stopped before it is said, or between two times, is not said any more', async () => {
  for (const said of [0, 1]) {
    const { hub, world, me } = await met();
    let asked = 0;
    hub.answers.LLM_REQUEST = () => void (asked += 1);
    const taken = [];
    hub.answers.CANCEL_REQUEST = ({ requestId }) => {
      taken.push(requestId);
      return { status: 'error', success: false, message: 'Request not found', errorCode: 7 };
    };
    if (!said) hub.cut();
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await settle();
    assert.equal(asked, said);
    const read = new Promise((resolve) => {
      hub.answers.GET_MESSAGES = ({ limit }) => {
        if (limit === 200) answer.stop().then(resolve);
        return { status: 'ok', success: true, messages: [], hasMore: false, seq: 0 };
      };
    });
    if (said) hub.cut();
    else answer.stop();
    await world.pass(20_000);
    if (said) assert.equal((await read).state, 'cancelled');
    await answer.done;
    assert.deepEqual([answer.state, asked, taken.length], ['cancelled', said, said]);
  }
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

test('what became of a request while the line was down is known at once', async () => {
  const ends = {
    completed: [{ status: 'completed', live: false, targets: ['a'] }, 'One two'],
    cancelled: [{ status: 'cancelled', live: false, by: 'host', targets: ['a'] }, 'One two'],
    failed: [{ status: 'failed', live: false, message: 'no model', errorCode: 12, targets: ['a'] }, null],
    'forgotten by the hub': [{}, 'One two'],
  };
  for (const [name, [standing, text]] of Object.entries(ends)) {
    const { hub, world, me } = await met();
    const answer = me.ask('Hello?', { requestId: 'r1' });
    await world.pass(0);
    const output = hub.begin('o1', 'r1', { identity: 'a' });
    hub.grow(output, 'One ');
    await settle();
    hub.cut();
    hub.grow(output, 'two');
    hub.end(output, name === 'failed' ? 'failed' : 'ended');
    hub.requests = { r1: standing };
    while (me.state !== 'connected') await world.pass(100);
    await world.pass(100);
    assert.equal(answer.over, true, name);
    if (text === null) await assert.rejects(answer.done, { code: 12, message: 'no model' });
    else assert.equal((await answer.done).text, text, name);
    assert.equal(answer.text, 'One two');
  }
});

test('a request that the hub has forgotten and nobody answered fails', async () => {
  const { hub, world, me } = await met();
  const answer = me.ask('Hello?', { requestId: 'r1' });
  await world.pass(0);
  hub.cut();
  hub.requests = {};
  await world.pass(10_000);
  await assert.rejects(answer.done, { code: 'gone' });
});

test('what went to another extension while the line was down is waited for, however long that takes', async () => {
  for (const begun of [false, true]) {
    const { hub, world, me } = await met();
    const answer = me.ask('Hello?', { requestId: 'r1', failover: true });
    await world.pass(0);
    const first = hub.begin('o1', 'r1', { identity: 'a' });
    await settle();
    hub.cut();
    first.state = 'cancelled';
    hub.requests = { r1: { status: begun ? 'forwarded' : 'queued', live: true, targets: ['b'] } };
    const second = begun ? hub.begin('o2', 'r1', { identity: 'b' }) : null;
    await world.pass(60_000);
    assert.deepEqual([me.state, answer.over, answer.state], ['connected', false, begun ? 'forwarded' : 'queued']);
    const late = second ?? hub.begin('o2', 'r1', { identity: 'b' });
    hub.grow(late, 'Here.');
    hub.end(late);
    await world.pass(0);
    assert.equal((await answer.done).text, 'Here.');
    assert.deepEqual(answer.outputs.map(({ outputId }) => outputId), ['o2']);
  }
});

test('one that its extension had taken waits again where it was put off while the line was down, and keeps its place there if not', async () => {
  const { hub, world, me } = await met();
  const answers = ['r1', 'r2'].map((requestId) => me.ask('Hello?', { requestId }));
  await world.pass(0);
  for (const requestId of ['r1', 'r2']) hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'accepted', where: 'chat', position: 3 });
  await settle();
  hub.cut();
  hub.requests = {
    r1: { status: 'queued', live: true, targets: ['a'], waitsFor: 'turn', position: 2 },
    r2: { status: 'forwarded', live: true, targets: ['a'] },
  };
  await world.pass(10_000);
  assert.deepEqual(answers.map(({ state, waitsFor, position }) => [state, waitsFor, position]), [['queued', 'turn', 2], ['accepted', '', 3]]);
});

test('what is merged into the question of another is answered with that, whether one hears of it or comes back', async () => {
  for (const cut of [false, true]) {
    const { hub, world, me } = await met();
    hub.answers.LLM_REQUEST = ({ requestId }) => ({ status: 'ok', success: true, requestId, messageId: `q-${requestId}`, state: 'queued', waitsFor: 'host', position: 1 });
    const answers = [me.ask('One?', { room: 'club', requestId: 'r1' }), me.ask('Two?', { room: 'club', requestId: 'r2' })];
    await world.pass(0);
    if (cut) hub.cut();
    for (const requestId of ['r1', 'r2']) hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'merged', mergedInto: 'h1' });
    const output = hub.begin('o1', 'h1', { identity: 'a', requester: 'host' });
    const standing = { status: 'merged', live: true, mergedInto: 'h1', targets: ['a'] };
    hub.requests = { r1: standing, r2: standing };
    await world.pass(60_000);
    hub.grow(output, 'To all.');
    await world.pass(0);
    assert.deepEqual(answers.map(({ state, text }) => [state, text]), [['merged', 'To all.'], ['merged', 'To all.']], `cut: ${cut}`);
    hub.end(output);
    for (const requestId of ['r1', 'r2']) hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'completed' });
    await world.pass(0);
    for (const answer of answers) assert.equal((await answer.done).text, 'To all.');
  }
});

test('what is said of a request after where it stood counts, however soon it is said', async () => {
  const ends = {
    rerouted: (output) => output,
    completed: (output, hub) => hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'completed' }),
  };
  for (const [name, say] of Object.entries(ends)) {
    const { hub, world, me } = await met();
    const answer = me.ask('Hello?', { requestId: 'r1', failover: true });
    await world.pass(0);
    hub.cut();
    hub.requests = { r1: { status: 'queued', live: true, targets: ['a'] } };
    const read = hub.answers.GET_MESSAGES;
    let output = null;
    hub.answers.GET_MESSAGES = () => {
      if (!output) {
        hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'rerouted' });
        output = hub.begin('o1', 'r1', { identity: 'b' });
        say(output, hub);
      }
      return read();
    };
    await world.pass(60_000);
    hub.grow(output, 'Here.');
    output.state = 'ended';
    hub.tell('SERVER_STREAM_END', { type: 3, outputId: 'o1', requestId: 'r1', roomName: 'me', data: 'Here.', messageId: 'a-o1' });
    if (name === 'rerouted') hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'completed' });
    await world.pass(11_000);
    assert.deepEqual([answer.over, answer.text], [true, 'Here.'], name);
  }
});

test('a hub that takes few at once is asked in pieces, not too often, about more than it takes, too', async () => {
  for (const [most, count] of [[{ outputs: 64, requests: 64 }, 80], [{ outputs: 3, requests: 2 }, 7], [{ outputs: 2, requests: 64 }, 5], [{ outputs: 64, requests: 0 }, 3]]) {
    const { hub, world, me } = await met();
    hub.most = most;
    const ids = Array.from({ length: count }, (_, n) => `r${n}`);
    const answers = ids.map((requestId) => me.ask('Hello?', { requestId }));
    await world.pass(0);
    const outputs = ids.map((requestId) => hub.begin(`o-${requestId}`, requestId));
    await settle();
    hub.cut();
    for (const output of outputs) {
      hub.grow(output, 'Here.');
      hub.end(output);
    }
    hub.requests = Object.fromEntries(ids.map((requestId) => [requestId, { status: 'completed', live: false }]));
    const times = [];
    const resume = hub.resume.bind(hub);
    hub.resume = (said) => {
      times.push(world.now());
      return resume(said);
    };
    await world.pass(30_000);
    assert.deepEqual(answers.map(({ over, text }) => [over, text]), ids.map(() => [true, 'Here.']), JSON.stringify(most));
    for (const from of times) assert.ok(times.filter((at) => at >= from && at < from + 1_000).length <= 5 + 3, 'a second’s worth, and what may come at once');
    assert.ok(times.length <= 3 + Math.ceil(count / Math.max(1, most.requests)) + Math.ceil(count / most.outputs), `${times.length}`);
    const asked = times.length;
    hub.requests = Object.fromEntries(ids.map((requestId) => [requestId, { status: 'forwarded', live: true }]));
    const found = me.standings(ids);
    await world.pass(30_000);
    assert.deepEqual((await found).map(({ requestId }) => requestId), most.requests ? ids : [], 'as many as there are');
    assert.ok(times.length > asked);
  }
});

test('a hub that is asked too often is asked again a while later', async () => {
  const { hub, world, me } = await met();
  const resume = hub.resume.bind(hub);
  let busy = 2;
  hub.requests = { r1: { status: 'forwarded', live: true } };
  hub.resume = (said) => ((busy -= 1) >= 0 ? { status: 'error', success: false, message: 'Too many events.', errorCode: 9 } : resume(said));
  const found = me.standings(['r1']);
  await world.pass(10_000);
  assert.deepEqual((await found).map(({ status }) => status), ['forwarded']);
  busy = 9;
  const none = assert.rejects(me.standings(['r1']), { code: 9 });
  await world.pass(10_000);
  await none;
});

test('what became of a request whose room cannot be read any more is known, and of those after it', async () => {
  const { hub, world, me } = await met();
  const answers = ['r1', 'r2', 'r3'].map((requestId) => me.ask('Hello?', { requestId, ...(requestId < 'r3' ? { room: 'club' } : {}) }));
  await world.pass(0);
  hub.cut();
  hub.requests = {
    r1: { status: 'failed', live: false, message: 'Room deleted.', targets: ['a'] },
    r2: { status: 'completed', live: false, targets: ['a'] },
    r3: { status: 'cancelled', live: false, targets: ['a'] },
  };
  const read = hub.answers.GET_MESSAGES;
  const none = { status: 'error', success: false, message: 'Room not found', errorCode: 303 };
  hub.answers.GET_MESSAGES = ({ roomName }) => (roomName === 'club' ? none : read());
  await world.pass(10_000);
  assert.deepEqual(answers.map(({ over, state, failure }) => [over, state, failure?.message]), [
    [true, 'failed', 'Room deleted.'], [true, 'forwarded', 'Room not found'], [true, 'cancelled', undefined],
  ]);
});

test('what became of a question whose ack was lost is known at the return', async () => {
  for (const [stored, standing] of [
    [true, { status: 'failed', live: false, message: 'No model.', errorCode: 9, targets: [] }],
    [false, { status: 'failed', live: false, message: 'No model.', errorCode: 9, targets: [] }],
  ]) {
    const { hub, world, me } = await met();
    let asked = 0;
    hub.answers.LLM_REQUEST = ({ requestId }) => {
      asked += 1;
      if (stored) hub.messages.push({ messageId: 'q1', requestId, identity: 'me', fromClient: true, message: 'Hello?' });
      hub.requests = { [requestId]: standing };
      hub.cut();
      return undefined;
    };
    const { done } = me.ask('Hello?', { requestId: 'r1' });
    await world.pass(60_000);
    await assert.rejects(Promise.race([done, Promise.resolve('waits still')]), { code: 9, message: 'No model.' });
    assert.equal(asked, 1);
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

test('that nothing listens is told at each attempt, and a hub that comes lets us in', async () => {
  const hub = new FakeHub();
  hub.down = true;
  const world = new FakeWorld();
  const me = connect('http://hub', { io: hub.io, clientId: 'me', world });
  const told = [];
  me.on('state', ({ state, message }) => told.push(`${state}:${message}`));
  await world.pass(0);
  assert.deepEqual(told, ['reconnecting:refused']);
  await world.pass(6_000);
  assert.ok(told.length > 2);
  hub.down = false;
  await world.pass(6_000);
  assert.deepEqual(told.slice(-2), ['connecting:', 'connected:']);
});

test('what the engine says of an attempt is not for people', async () => {
  const world = new FakeWorld();
  const listeners = {};
  const socket = { io: {}, on: (event, listener) => { listeners[event] = listener; }, connect() {} };
  const me = connect('http://hub', { io: () => socket, clientId: 'me', world });
  const told = [];
  me.on('state', ({ message }) => told.push(message));
  for (const error of [Object.assign(new Error('xhr poll error'), { type: 'TransportError' }), new Error('timeout'), new Error('Invalid namespace')]) {
    listeners.connect_error(error);
    me.line.timer = null;
  }
  assert.deepEqual(told, ['The hub cannot be reached.', 'The hub cannot be reached.', 'Invalid namespace']);
});

test('whoever gives no io is told so', () => {
  assert.throws(() => connect('http://hub', { clientId: 'me' }), /^TypeError: Give io/);
});

test('what is under way when the client is closed says that it was closed', async () => {
  const { me } = await met();
  const asked = me.call('/llm', 'NEVER_ANSWERED');
  await settle();
  me.close();
  await assert.rejects(asked, { code: 'closed' });
});

test('an answer that is over before the hub says that it stops it is stopped all the same', async () => {
  const { hub, world, me } = await met();
  const answer = me.ask('Hello?', { requestId: 'r1' });
  await world.pass(0);
  hub.answers.CANCEL_REQUEST = () => {
    hub.tell('REQUEST_STATUS_UPDATE', { requestId: 'r1', status: 'cancelled' });
    return undefined; // its ack is lost
  };
  const stopped = answer.stop();
  await answer.done;
  me.close();
  assert.deepEqual(await stopped, { requestId: 'r1', state: 'cancelled', outputs: [] });
});

test('why a request failed is what its ack says, though that it failed is said before', async () => {
  const { hub, world, me } = await met();
  hub.answers.LLM_REQUEST = ({ requestId }) => {
    hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'failed', message: 'Target client not found: x' });
    return { status: 'error', success: false, message: 'Target client not found: x', errorCode: 401 };
  };
  const { done } = me.ask('Hello?');
  await world.pass(0);
  await assert.rejects(done, { code: 401 });
});

test('a request whose ack is lost failed as it was said', async () => {
  const { hub, world, me } = await met();
  hub.answers.LLM_REQUEST = ({ requestId }) => {
    hub.tell('REQUEST_STATUS_UPDATE', { requestId, status: 'failed', message: 'No model.' });
    return undefined;
  };
  const { done } = me.ask('Hello?');
  await world.pass(16_000);
  await assert.rejects(done, { message: 'No model.' });
});

test('what the line never carries is given up', async () => {
  const { hub, world, me } = await met();
  let asked = 0;
  hub.answers.LLM_REQUEST = () => {
    asked += 1;
    hub.cut();
    return undefined;
  };
  const { done } = me.ask('too large');
  await world.pass(60_000);
  await assert.rejects(done, { code: 'disconnected' });
  assert.equal(asked, 6);
  assert.equal(me.state, 'connected');
});

test('what the line carries is not given up because it was cut as often while what is stored was read', async () => {
  for (const [finds, cuts, expected] of [
    [4, 3, [4, 12, 'forwarded']],
    [Infinity, 3, [1, 6, 'disconnected']],
  ]) {
    const { hub, world, me } = await met();
    const stored = { status: 'ok', success: true, messages: [], hasMore: false, seq: 0 };
    let asked = 0;
    let read = 0;
    hub.answers.LLM_REQUEST = () => {
      asked += 1;
      if (asked > cuts) return { status: 'ok', success: true, state: 'forwarded' };
      hub.cut();
      return undefined;
    };
    hub.answers.GET_MESSAGES = ({ limit }) => {
      if (limit !== 200) return stored; // nobody looks for a question
      read += 1;
      if (read % finds === 0) return stored;
      hub.cut();
      return undefined;
    };
    const answer = me.ask('Hello?');
    const failed = answer.done.then(() => '', (failure) => failure.code);
    await world.pass(120_000);
    assert.deepEqual([asked, read, answer.over ? await failed : answer.state], expected);
  }
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
