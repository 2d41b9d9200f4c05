// The input, on elements that are played. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Composer } = await import(`${process.env.STATIC}/composer.js`);

class FakeElement extends EventTarget {
  value = '';
  hidden = false;
  scrollHeight = 0;
  style = {};

  setAttribute() {}
  focus() {}
}

function make(takes) {
  const parts = Object.fromEntries(['form', 'input', 'button', 'stop', 'stopHint'].map((name) => [name, new FakeElement()]));
  const sent = [];
  const send = (text) => {
    sent.push(text);
    return takes;
  };
  return { parts, sent, composer: new Composer(parts, send, () => {}) };
}

test('words that are offered are sent, and what is half typed stays', () => {
  const { parts, sent, composer } = make(true);
  parts.input.value = 'half ty';
  composer.say('Hello there');
  assert.deepEqual([sent, parts.input.value], [['Hello there'], 'half ty']);
});

test('what is not taken stands in the field, unless something else does', () => {
  const { parts, composer } = make(false);
  composer.say('Hello there');
  assert.equal(parts.input.value, 'Hello there');
  parts.input.value = 'half ty';
  composer.say('Tell me a story');
  assert.equal(parts.input.value, 'half ty');
});
