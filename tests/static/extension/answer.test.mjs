// One request: outputs, watchdog, end or failure. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { answer, PATIENCE, patienceOf } = await import(`${process.env.EXTENSION}/answer.js`);
const { Busy, Refusal } = await import(`${process.env.EXTENSION}/refusal.js`);

/** Timers that go off when told. */
class FakeWorld {
  timers = new Map();
  #next = 1;

  setTimeout = (react, ms) => {
    this.timers.set(this.#next, { react, ms });
    return this.#next++;
  };

  clearTimeout = (id) => this.timers.delete(id);

  fire(ms) {
    for (const [id, timer] of [...this.timers]) {
      if (timer.ms !== ms) continue;
      this.timers.delete(id);
      timer.react();
    }
  }
}

class FakeTask {
  said = [];
  abort = new AbortController();
  signal = this.abort.signal;

  output(about) {
    const said = this.said;
    const name = about.character?.name ?? '';
    return { show: (text, kind) => said.push([kind, name, text]), end: (how) => said.push(['end', name, Boolean(how.more)]) };
  }

  fail(message) {
    this.said.push(['fail', message]);
  }

  busy(afterMs, message) {
    this.said.push(['busy', afterMs, message]);
  }

  over() {
    this.said.push(['over']);
  }

  end() {
    this.said.push(['end']);
  }
}

async function played(generate, world = new FakeWorld(), task = new FakeTask()) {
  await answer({ task, generate, world });
  assert.equal(world.timers.size, 0);
  return task.said;
}

const until = (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve));

test('text and reasoning grow, and the output ends', async () => {
  const said = await played(async ({ output }) => {
    const sink = output();
    sink.reasoning('hm');
    sink.text('yes');
  });
  assert.deepEqual(said, [['reasoning', '', 'hm'], ['text', '', 'yes'], ['end', '', false]]);
});

test('of a group each output but the last says that more comes', async () => {
  const said = await played(async ({ output }) => {
    output({ character: { name: 'Ann' } }).text('a');
    output({ character: { name: 'Bob' } }).text('b');
  });
  assert.deepEqual(said, [['text', 'Ann', 'a'], ['end', 'Ann', true], ['text', 'Bob', 'b'], ['end', 'Bob', false]]);
});

test('an output that is whole has ended, whether another one follows, none, or a failure', async () => {
  const first = [['text', 'Ann', 'a'], ['end', 'Ann', true]];
  let task;
  for (const [then, rest] of [
    [(way) => way.output({ character: { name: 'Bob' } }).text('b'), [['text', 'Bob', 'b'], ['end', 'Bob', false]]],
    [(way) => way.more(), [['end']]],
    [() => Promise.reject(new Refusal('Gone.')), [['fail', 'Gone.']]],
  ]) {
    const said = await played(async (way) => {
      way.more(); // of what nobody has begun
      way.output({ character: { name: 'Ann' } }).text('a');
      way.more();
      assert.deepEqual(task.said, first);
      await then(way);
    }, new FakeWorld(), (task = new FakeTask()));
    assert.deepEqual(said, [...first, ...rest]);
  }
});

test('silence before the first sign, and in the middle, stops the model and fails in words', async () => {
  for (const [ms, begin, words] of [
    [PATIENCE.first, () => {}, 'The model did not begin to answer.'],
    [PATIENCE.next, ({ output, sign }) => (sign(), output().text('a')), 'The model fell silent.'],
    [PATIENCE.first, ({ output, sign, asked }) => (sign(), output().text('a'), asked(false)), 'The model fell silent.'],
    [PATIENCE.whole, ({ asked }) => asked(true), 'The model did not begin to answer.'],
  ]) {
    const world = new FakeWorld();
    const running = played(async (way) => {
      begin(way);
      await until(way.signal);
    }, world);
    world.fire(ms);
    assert.deepEqual((await running).at(-1), ['fail', words]);
  }
});

test('what does not stop is given up', async () => {
  const world = new FakeWorld();
  const running = played(() => new Promise(() => {}), world);
  world.fire(PATIENCE.first);
  world.fire(PATIENCE.stop);
  assert.deepEqual((await running).at(-1), ['fail', 'The model did not begin to answer.']);
});

test('busy before the first token only', async () => {
  assert.deepEqual(await played(async () => Promise.reject(new Busy('desk', 700))), [['busy', 700, 'desk']]);
  const said = await played(async ({ output }) => {
    output().text('a');
    throw new Busy('desk');
  });
  assert.deepEqual(said.at(-1), ['fail', 'desk']);
});

test('a failure is told in words, without addresses, and nothing said is a failure', async () => {
  assert.deepEqual(await played(async () => Promise.reject(new Refusal('No.'))), [['fail', 'No.']]);
  for (const [words, heard] of [
    ['429 from http://secret.example/v1', '429 from …'],
    ['request to "https://10.0.0.7:5001/v1" failed, reason: connect ECONNREFUSED 10.0.0.7:5001', 'request to "…" failed, reason: connect ECONNREFUSED …'],
    ['connect ECONNREFUSED ::1:5001', 'connect ECONNREFUSED …'],
    ['connect to [fe80::1]:5001, model.lan:8080/v1; or 192.168.1.7.', 'connect to …, … or …'],
    ['getaddrinfo ENOTFOUND model', 'getaddrinfo ENOTFOUND …'],
    ['Got status 503: model 1.5.2 is at 12:30 (of 3:4), retry', 'Got status 503: model 1.5.2 is at 12:30 (of 3:4), retry'],
  ]) {
    const said = await played(async () => Promise.reject(new Error(words)));
    assert.deepEqual(said, [['fail', `The model failed: ${heard}`]]);
  }
  assert.deepEqual(await played(async () => {}), [['fail', 'The model gave no answer.']]);
});

test('what is cancelled says nothing more', async () => {
  const task = new FakeTask();
  const running = played(({ signal }) => until(signal), new FakeWorld(), task);
  task.abort.abort('cancelled');
  assert.deepEqual(await running, [['over']]);
});

test('limits are those of the settings, where they are within reason', async () => {
  assert.deepEqual(patienceOf({ first: 2_000, next: 1, whole: 'x', stop: 1e12, other: 5_000 }), { ...PATIENCE, first: 2_000 });
  assert.deepEqual(patienceOf(undefined), { ...PATIENCE });
  const world = new FakeWorld();
  const limits = patienceOf({ whole: 2_000, stop: 1_000 });
  const running = answer({ task: new FakeTask(), generate: ({ asked }) => (asked(true), new Promise(() => {})), limits, world });
  world.fire(2_000);
  world.fire(1_000);
  await running;
});
