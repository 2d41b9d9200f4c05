import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure, serve } from '../index.js';
import { FakeHub, FakeWorld, seeded, settle } from './doubles.mjs';

/** A hub that takes what extensions say: it puts each output together, and knows where it is. */
class TakingHub extends FakeHub {
  constructor(options) {
    super(options);
    this.taken = new Map();
    this.signs = [];
    this.answers.IDENTIFY_SILLYTAVERN = ({ clientId, scope }) => ({ status: 'ok', success: true, key: 'new', clientId, scope });
    for (const event of ['ACCEPT_REQUEST', 'BUSY', 'ERROR']) this.answers[event] = (said) => void this.signs.push([event, said]);
    this.answers.STOP_PROCESSING = (said) => {
      this.signs.push(['STOP_PROCESSING', said, this.texts]);
      return { status: 'ok', success: true };
    };
    this.answers.CLIENT_STREAM_START = ({ outputId, requestId, resume, at, ...about }) => {
      const known = this.taken.get(outputId);
      if (!resume) this.taken.set(outputId, { requestId, text: '', reasoning: '', rev: 0, end: null, about });
      else if (!known || known.end) return { status: 'error', success: false, message: 'Unknown output', errorCode: 7 };
      else return { status: 'ok', success: true, at: known.text.length, reasoningAt: known.reasoning.length, rev: known.rev };
      return undefined;
    };
    for (const event of ['FIRST', 'MIDDLE']) {
      this.answers[`CLIENT_STREAM_DATA_${event}`] = ({ outputId, kind, data }) => {
        this.taken.get(outputId)[kind] += data;
      };
    }
    this.answers.CLIENT_STREAM_RESET = ({ outputId, kind, at }) => {
      const output = this.taken.get(outputId);
      output[kind] = output[kind].slice(0, at);
      output.rev += 1;
    };
    this.answers.CLIENT_STREAM_END = ({ outputId, ...end }) => {
      this.taken.get(outputId).end ??= end;
    };
  }
}

/** What the hub has of each output, those that are not over with dots. */
Object.defineProperty(TakingHub.prototype, 'texts', {
  get() {
    return [...this.taken.values()].map(({ text, end }) => (end ? text : `${text}...`));
  },
});

async function met(how = {}) {
  const hub = new TakingHub({ resumes: false });
  const world = new FakeWorld();
  const me = serve('http://hub', { io: hub.io, clientId: 'SillyTavern-1', key: 'k', world, ...how });
  const tasks = [];
  me.on('request', (task) => tasks.push(task));
  await world.pass(0);
  return { hub, world, me, tasks };
}

async function asked(hub, world, requestId = 'r1') {
  hub.tell('LLM_REQUEST', { requestId, message: 'Hi', roomName: 'lobby' });
  await world.pass(0);
}

test('a request is accepted, answered and over', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  task.accept('headless');
  await world.pass(45_000);
  assert.deepEqual(hub.signs.map(([event]) => event), ['ACCEPT_REQUEST', 'ACCEPT_REQUEST', 'ACCEPT_REQUEST']);
  const output = task.output({ character: { id: 'c', name: 'Seraphina' } });
  output.show('Hel');
  output.show('Hello \ud83d');
  output.show('Hello \ud83d\ude00');
  output.show('hm', 'reasoning');
  output.show('Hullo');
  output.end({ finishReason: 'stop' });
  await world.pass(60_000);
  const taken = hub.taken.get(output.outputId);
  assert.equal(taken.text, 'Hullo');
  assert.equal(taken.reasoning, 'hm');
  assert.equal(taken.rev, 1);
  assert.deepEqual(taken.about.character, { id: 'c', name: 'Seraphina' });
  assert.equal(taken.end.final, true);
  assert.equal(taken.end.finishReason, 'stop');
  assert.equal(task.done, true);
  assert.equal(hub.signs.length, 3);
});

test('what is asked again is not done twice', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  tasks[0].accept('chat');
  await asked(hub, world);
  assert.equal(tasks.length, 1);
});

test('that it is busy is heard, too, of what is asked before the hub says that we are in', async () => {
  const { hub, world, me, tasks } = await met();
  me.on('request', (task) => task.requestId === 'r1' && task.busy(700, 'desk'));
  const { GET_MESSAGES } = hub.answers;
  hub.answers.GET_MESSAGES = () => {
    hub.answers.GET_MESSAGES = GET_MESSAGES;
    hub.tell('LLM_REQUEST', { requestId: 'r1', message: 'Hi', roomName: 'lobby' });
    return GET_MESSAGES();
  };
  hub.cut();
  await world.pass(2_000);
  assert.deepEqual(hub.signs, [['BUSY', { requestId: 'r1', retryAfterMs: 700, reason: 'desk' }]]);
  await asked(hub, world);
  assert.equal(tasks.length, 2, 'it is done when it is asked again');
});

test('a cancelled request is stopped before the hub hears that it is', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  const output = task.output();
  output.push('One');
  const heard = [];
  const socket = hub.manager.sockets.get('/llm');
  socket.tell('CANCEL_REQUEST', { requestId: 'r1', outputIds: [output.outputId], reason: 'cancelled' }, (body) => heard.push(body));
  await settle();
  assert.equal(task.signal.aborted, true);
  assert.equal(task.signal.reason, 'cancelled');
  output.push(' two');
  assert.deepEqual(heard, []);
  task.end();
  await world.pass(0);
  assert.equal(heard[0].state, 'stopped');
  assert.equal(hub.taken.get(output.outputId).text, 'One');
  socket.tell('CANCEL_REQUEST', { requestId: 'r2' }, (body) => heard.push(body));
  await settle();
  assert.equal(heard[1].state, 'unknown');
});

test('an output that the hub does not know any more is stopped', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  task.output().push('One');
  await world.pass(0);
  hub.cut();
  hub.taken.clear();
  await world.pass(6_000);
  assert.equal(task.signal.reason, 'gone');
  assert.equal(task.done, true);
});

test('an output that begins while the line is not up yet begins when it is', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  hub.cut();
  await world.pass(0);
  const output = task.output();
  output.push('One');
  await world.pass(6_000);
  output.push(' two');
  await world.pass(0);
  assert.equal(task.signal.aborted, false);
  assert.equal(hub.taken.get(output.outputId).text, 'One two');
});

test('that nothing more comes is said once, after all that was said, also where the line is down or was dead', async () => {
  for (const cut of ['before', 'unheard', 'heard']) {
    const { hub, world, tasks } = await met();
    await asked(hub, world);
    const [task] = tasks;
    const first = task.output();
    first.push('One');
    first.end({ more: true });
    await world.pass(0);
    const second = task.output();
    second.push('Tw');
    await world.pass(0);
    if (cut === 'before') hub.cut();
    second.push('o');
    second.end({ more: true });
    task.end();
    if (cut === 'heard') await world.pass(0);
    if (cut !== 'before') hub.cut();
    await world.pass(30_000);
    hub.cut();
    await world.pass(30_000);
    assert.deepEqual(hub.signs, [['STOP_PROCESSING', { targetRoom: 'lobby', requestId: 'r1' }, ['One', 'Two']]], cut);
    assert.equal(task.signal.aborted, false, cut);
    await world.pass(60_000);
    await asked(hub, world);
    assert.equal(tasks.length, 2, 'it is forgotten');
  }
});

test('a group goes on with its next character after a cut: the first one’s output is over', async () => {
  const { hub, world, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  task.output().end({ more: true });
  await world.pass(0);
  hub.cut();
  await world.pass(6_000);
  const second = task.output();
  second.push('Two');
  second.end();
  await world.pass(0);
  assert.deepEqual([task.signal.aborted, hub.texts], [false, ['', 'Two']]);
});

test('what was said of an answer that failed while the line was down is kept, and the next one is asked', async () => {
  const { hub, world, me, tasks } = await met();
  await asked(hub, world);
  const [task] = tasks;
  const output = task.output();
  output.push('One');
  await world.pass(0);
  hub.cut();
  output.push(' two');
  task.fail('no model');
  output.push(' three');
  await world.pass(6_000);
  assert.deepEqual([hub.texts, hub.signs.map(([event, { message }]) => [event, message])], [['One two...'], [['ERROR', 'no model']]]);
  assert.equal(me.tasks.length, 0);
  await asked(hub, world);
  assert.equal(tasks.length, 2, 'what is asked again was not heard');
});

test('a key is asked for at the door, where there is none or it is refused', async () => {
  const keys = [];
  const hub = new TakingHub({ resumes: false });
  const world = new FakeWorld();
  const identify = hub.answers.IDENTIFY_SILLYTAVERN;
  let door;
  hub.answers.IDENTIFY_SILLYTAVERN = (said, socket) => {
    door = socket.auth;
    return identify(said);
  };
  let kept;
  const keep = (key) => new Promise((done) => {
    keys.push(key);
    kept = done;
  });
  const me = serve('http://hub', { io: hub.io, clientId: 'SillyTavern-1', name: 'Ann', pair: '123456', keep, world });
  await world.pass(100);
  assert.equal(hub.manager.sockets.get('/llm'), undefined, 'used before it is kept');
  kept();
  await world.pass(100);
  assert.equal(door.name, 'Ann', 'whom the operator is asked about');
  assert.equal(door.pair, '123456');
  assert.deepEqual(keys, [{ key: 'new', clientId: 'SillyTavern-1', scope: 'extension' }]);
  assert.equal(me.state, 'connected');
  assert.equal(hub.manager.sockets.get('/llm').auth.key, 'new');
  assert.equal(hub.manager.sockets.get('/llm').auth.protocol, 2);
});

test('a wrong pairing code is a refusal in words, and another one may be tried', async () => {
  const { hub, world, me } = await met({ key: '', pair: '1' });
  hub.answers.IDENTIFY_SILLYTAVERN = () => ({ status: 'error', success: false, message: 'Invalid pairing code', errorCode: 5 });
  const states = [];
  me.on('state', (state) => states.push(state));
  me.retry({ pair: '2' });
  await world.pass(0);
  assert.equal(states.at(-1).state, 'refused');
  assert.equal(states.at(-1).message, 'Invalid pairing code');
});

test('who is replaced stays away until a person says otherwise', async () => {
  const { hub, world, me } = await met({ exclusive: true });
  hub.refuses = { type: 'ERROR', message: 'Another tab serves.', code: 'REPLACED', errorCode: 6 };
  hub.cut();
  await world.pass(600_000);
  assert.equal(me.state, 'replaced');
  hub.refuses = null;
  me.retry();
  await world.pass(0);
  assert.equal(me.state, 'connected');
});

test('calls of the hub are answered, failures in the words of the contract', async () => {
  const { hub, world, me } = await met();
  me.answer('LIST_CHARACTERS', async () => ({ characters: [] }));
  me.answer('GET_AVATAR', () => {
    throw new Failure('No such character', { code: 7 });
  });
  const heard = [];
  const socket = hub.manager.sockets.get('/llm');
  for (const event of ['LIST_CHARACTERS', 'GET_AVATAR']) socket.tell(event, {}, (body) => heard.push(body));
  await world.pass(0);
  assert.deepEqual(heard.map(({ success }) => success).sort(), [false, true]);
  assert.equal(heard.find(({ success }) => !success).errorCode, 7);
});

test('who throws while he answers has failed, and the next one is asked', async () => {
  const { hub, world, me } = await met();
  const problems = [];
  me.on('problem', ({ message, requestId }) => problems.push([message, requestId]));
  const thrown = { r1: new Error('secret.js:7'), r2: new Failure('No model.') };
  me.on('request', async (task) => {
    task.output().push('Once');
    await settle();
    throw thrown[task.requestId];
  });
  for (const requestId of ['r1', 'r2']) await asked(hub, world, requestId);
  await world.pass(0);
  assert.deepEqual(hub.signs.map(([event, { requestId, message }]) => [event, requestId, message]), [
    ['ERROR', 'r1', 'The extension could not do that.'], ['ERROR', 'r2', 'No model.'],
  ]);
  assert.deepEqual(problems, [['secret.js:7', 'r1'], ['No model.', 'r2']]);
  assert.equal(me.tasks.length, 0);
});

test('who throws because he was stopped has stopped', async () => {
  const { hub, world, me } = await met();
  const problems = [];
  me.on('problem', (said) => problems.push(said));
  me.on('request', (task) => new Promise((_, reject) => {
    task.signal.addEventListener('abort', () => reject(new Error('aborted')));
  }));
  await asked(hub, world);
  hub.tell('CANCEL_REQUEST', { requestId: 'r1', reason: 'cancelled' });
  await world.pass(0);
  assert.equal(me.tasks.length, 0);
  assert.deepEqual([problems, hub.signs], [[], []]);
});

test('what an extension says arrives once and whole, whatever is cut and rewritten when', async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seeded(seed);
    const { hub, world, me, tasks } = await met();
    await asked(hub, world);
    const output = tasks[0].output();
    await settle(); // a START that is lost is an unknown output: the hub asks again
    let text = '';
    for (let step = 0; step < 40; step += 1) {
      const dice = random();
      if (dice < 0.6) text += `${step} \ud83d\ude00`;
      else if (dice < 0.7) text = text.slice(0, Math.floor((random() * text.length) / 4) * 4);
      else if (dice < 0.85) hub.cut();
      else await world.pass(random() * 4_000);
      output.show(text);
      if (random() < 0.3) output.push('t', 'reasoning');
      if (random() < 0.5) await settle();
    }
    output.end();
    await world.pass(30_000);
    const taken = hub.taken.get(output.outputId);
    assert.equal(taken.text, text, `seed ${seed}`);
    assert.equal(taken.reasoning, output.reasoning, `seed ${seed}`);
    assert.ok(taken.end, `seed ${seed}`);
    me.close();
  }
});
