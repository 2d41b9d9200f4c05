// What is said beside messages. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { isFailed, isRepeatable, noteOf } = await import(`${process.env.STATIC}/words.js`);
const { entryOf } = await import(`${process.env.STATIC}/entry.js`);

const asked = (fields, answered = false) => noteOf(entryOf('mine', fields), answered);
const answer = (fields) => noteOf(entryOf('answer', fields));

test('whoever waits is told for what, and where he stands', () => {
  assert.equal(asked({ state: 'sending' }), 'Sending…');
  assert.equal(asked({ state: 'queued', place: { position: 2, of: 5 } }), 'Waiting until the room’s master sends (2 of 5)');
  assert.equal(asked({ state: 'turn', place: { position: 3, of: 0 } }), 'Waiting for its turn (place 3)');
  assert.equal(asked({ state: 'turn', place: { position: 1, of: 1 }, note: 'Somebody types.' }), 'Waiting for its turn (place 1): Somebody types.');
  assert.equal(asked({ state: 'extension' }), 'Waiting for SillyTavern to come back');
  assert.equal(asked({ state: 'accepted', place: { position: 2, of: 0 } }), 'In SillyTavern’s own queue (place 2)');
});

test('another extension is named until it answers', () => {
  const detour = { from: 'SillyTavern-1', to: 'SillyTavern-2' };
  for (const state of ['rerouted', 'forwarded', 'accepted']) {
    assert.equal(asked({ state, detour }), 'SillyTavern-1 could not begin; SillyTavern-2 is asked now');
    assert.equal(asked({ state, detour }, true), '');
  }
  assert.equal(asked({ state: 'completed', detour }), '');
});

test('what is in hand or done needs no words', () => {
  for (const state of ['', 'forwarded', 'accepted', 'processing', 'completed', 'what comes later']) assert.equal(asked({ state }), '');
});

test('a failed question says why, and can be asked again', () => {
  assert.equal(asked({ state: 'failed', note: 'No connected SillyTavern extensions.' }), 'No connected SillyTavern extensions.');
  assert.equal(asked({ state: 'expired' }), 'Nobody answered in time');
  for (const state of ['failed', 'expired']) {
    const entry = entryOf('mine', { state });
    assert.deepEqual([isFailed(entry), isRepeatable(entry, true)], [true, true]);
    assert.equal(isRepeatable(entryOf('theirs', { state }), false), false);
  }
});

test('a stopped question says so where no part of an answer does', () => {
  const entry = entryOf('mine', { state: 'cancelled' });
  assert.deepEqual([noteOf(entry, false), isRepeatable(entry, false), isFailed(entry)], ['Stopped', true, false]);
  assert.deepEqual([noteOf(entry, true), isRepeatable(entry, true)], ['', false]);
  assert.equal(asked({ state: 'forwarded', stopping: true }), 'Stopping…');
});

test('an answer says how it ended, and that its line is cut', () => {
  assert.equal(answer({ streaming: true }), '');
  assert.equal(answer({ streaming: true, cut: true }), 'The line is cut; this goes on when it is back');
  assert.equal(answer({ streaming: true, stopping: true }), 'Stopping…');
  assert.equal(answer({ stopped: true, text: 'So' }), 'Stopped');
  assert.equal(answer({ stopped: true, reasoning: 'hm' }), '', 'its question says it');
  assert.equal(answer({ failed: true }), 'Broken off');
  assert.equal(answer({ lost: true }), 'Not kept by the hub');
  assert.equal(answer({ failed: true, lost: true }), 'Broken off, and not kept by the hub');
  assert.equal(answer({}), '');
});
