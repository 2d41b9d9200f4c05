// Hubs' addresses, and that each hub is shown its own key alone. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Keys, originOf } = await import(`${process.env.EXTENSION}/address.js`);
const HOME = 'http://127.0.0.1:4000';
const keysOf = (settings) => new Keys(settings, () => HOME);

test('what people write is an origin, with port 4000 where they name neither scheme nor port', () => {
  const written = {
    '': '',
    ' hub ': 'http://hub:4000',
    'hub:5000/': 'http://hub:5000',
    'hub:80': 'http://hub',
    '192.168.1.5': 'http://192.168.1.5:4000',
    'https://hub.example.org/': 'https://hub.example.org',
    'HTTP://Hub:4000/page?x=1': 'http://hub:4000',
    'http://me:secret@hub:1': 'http://hub:1',
  };
  for (const [text, origin] of Object.entries(written)) assert.equal(originOf(text), origin, text);
  for (const text of ['javascript:alert(1)', 'ftp://hub', 'http://', 'a b', '<b>']) assert.equal(originOf(text), null, text);
});

test('a key belongs to its hub, and comes back with it', () => {
  const settings = { address: '' };
  const keys = keysOf(settings);
  keys.set('at home');
  settings.address = HOME;
  assert.equal(keys.get(), 'at home');
  settings.address = 'http://other:4000';
  assert.equal(keys.get(), '');
  keys.set('there');
  settings.address = '';
  assert.equal(keys.get(), 'at home');
  keys.set('late', 'http://other:4000');
  settings.address = 'other';
  assert.equal(keys.get(), 'late');
  keys.set('');
  assert.deepEqual(settings.keys, { '': 'at home' });
});

test('the one key of older versions is of the hub that stands in the settings', () => {
  const settings = { address: 'http://hub:4000', key: 'old' };
  const keys = keysOf(settings);
  assert.deepEqual(settings, { address: 'http://hub:4000', keys: { 'http://hub:4000': 'old' } });
  settings.address = 'http://other:4000';
  assert.equal(keys.get(), '');
});

test('odd settings do no harm, and there are few keys', () => {
  for (const odd of [null, [], 'x', 5]) assert.equal(keysOf({ address: '', keys: odd }).get(), '');
  assert.equal(keysOf({ address: '', keys: { '': 5 } }).get(), '');
  const settings = { address: '__proto__' };
  const keys = keysOf(settings);
  for (let number = 0; number < 40; number += 1) keys.set('k', `http://hub-${number}`);
  assert.deepEqual(Object.keys(settings.keys), Array.from({ length: 16 }, (_, index) => `http://hub-${index + 24}`));
});
