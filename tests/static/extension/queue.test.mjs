// Who is answered when. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Queue } = await import(`${process.env.EXTENSION}/queue.js`);

class FakeTask {
  said = [];
  abort = new AbortController();
  signal = this.abort.signal;

  accept(where, position) {
    this.said.push(['accept', where, position]);
  }

  busy(afterMs, reason) {
    this.said.push(['busy', afterMs, reason]);
  }

  over() {
    this.said.push(['over']);
  }
}

function job(where) {
  const task = new FakeTask();
  let finish;
  const done = new Promise((resolve) => (finish = resolve));
  const made = { task, where, began: false, run: () => ((made.began = true), done), finish };
  return made;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('in the chat one after the other, and each hears where it stands', async () => {
  const queue = new Queue();
  const jobs = [job('chat'), job('chat'), job('chat')];
  jobs.forEach((one) => queue.offer(one));
  assert.deepEqual(jobs.map((one) => one.began), [true, false, false]);
  assert.deepEqual(jobs[2].task.said, [['accept', 'chat', 2]]);
  jobs[0].finish();
  await settled();
  assert.deepEqual(jobs.map((one) => one.began), [true, true, false]);
  assert.deepEqual(jobs[2].task.said.at(-1), ['accept', 'chat', 1]);
});

test('headless side by side up to the capacity, beside the chat; then busy', () => {
  const queue = new Queue({ capacity: 2 });
  const jobs = [job('chat'), job('headless'), job('headless'), job('headless')];
  jobs.forEach((one) => queue.offer(one));
  assert.deepEqual(jobs.map((one) => one.began), [true, true, true, false]);
  assert.equal(jobs[3].task.said[0][0], 'busy');
});

test('more than eight do not wait for the chat', () => {
  const queue = new Queue();
  const jobs = Array.from({ length: 10 }, () => job('chat'));
  jobs.forEach((one) => queue.offer(one));
  assert.equal(queue.waiting.length, 8);
  assert.equal(jobs[9].task.said[0][0], 'busy');
});

test('what is taken back while it waits is never begun', async () => {
  const queue = new Queue();
  const jobs = [job('chat'), job('chat'), job('chat')];
  jobs.forEach((one) => queue.offer(one));
  jobs[1].task.abort.abort('cancelled');
  assert.deepEqual(jobs[1].task.said.at(-1), ['over']);
  jobs[0].finish();
  await settled();
  assert.deepEqual(jobs.map((one) => one.began), [true, false, true]);
});
