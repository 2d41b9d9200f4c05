// The browser's identity: stable where it can be stored, usable where it cannot. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Identity, uuid } = await import(`${process.env.STATIC}/identity.js`);

const V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function memory(initial = {}) {
  const values = new Map(Object.entries(initial));
  return {
    values,
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
}

test('ids are version 4 UUIDs, with and without randomUUID', () => {
  const poor = { getRandomValues: (bytes) => crypto.getRandomValues(bytes) };
  for (const source of [crypto, poor]) {
    assert.match(uuid(source), V4);
    assert.notEqual(uuid(source), uuid(source));
  }
});

test('the client id is made once and found again', () => {
  const storage = memory();
  const first = new Identity(storage);
  assert.match(first.clientId.slice(4), V4);
  assert.ok(first.clientId.startsWith('web-'));
  assert.equal(new Identity(storage).clientId, first.clientId);
});

test('an id that is not one of ours is replaced', () => {
  const storage = memory({ 'newage.clientId': '../server' });
  const { clientId } = new Identity(storage);
  assert.match(clientId.slice(4), V4);
  assert.equal(storage.values.get('newage.clientId'), clientId);
});

test('a key is kept, and forgotten when emptied', () => {
  const storage = memory();
  const identity = new Identity(storage);
  assert.equal(identity.key, undefined);
  identity.keepKey('secret');
  assert.equal(new Identity(storage).key, 'secret');
  identity.keepKey('');
  assert.equal(identity.key, undefined);
  assert.equal(new Identity(storage).key, undefined);
});

test('without storage the page works all the same', () => {
  const forbidden = () => {
    throw new Error('forbidden');
  };
  for (const storage of [null, { getItem: forbidden, setItem: forbidden, removeItem: forbidden }]) {
    const identity = new Identity(storage);
    assert.match(identity.clientId.slice(4), V4);
    identity.keepKey('k');
    assert.equal(identity.key, 'k');
    identity.keepKey('');
  }
});
