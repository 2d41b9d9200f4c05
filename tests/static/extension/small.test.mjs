// Requests, hashes, offered characters, words in three languages. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const home = process.env.EXTENSION;
const { Characters } = await import(`${home}/characters.js`);
const { parseAsk } = await import(`${home}/request.js`);
const { sha256 } = await import(`${home}/sha256.js`);

test('a request is read member by member, and nothing else of it', () => {
  const ask = parseAsk({ requestId: 'r', message: 5, action: 'swipe', custom_url: 'http://evil', data: { reverse_proxy: 'x' } });
  assert.deepEqual(
    { ...ask },
    { requestId: 'r', action: 'again', word: 'swipe', questionId: '', room: '', text: '', speaker: '', clientId: '', character: '' },
  );
  assert.equal(parseAsk({ type: 'THINK_REQUEST' }).action, 'think');
});

test('SHA-256 without crypto.subtle is the same', async () => {
  for (const size of [0, 1, 55, 56, 64, 1_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251);
    const wanted = createHash('sha256').update(bytes).digest('hex');
    assert.equal(await sha256(bytes, undefined), wanted);
    assert.equal(await sha256(bytes, null), wanted);
  }
});

test('only offered characters are shown, pictured or chosen, and only while nobody is at the desk', async () => {
  const host = {
    idle: 0,
    characters: () => ['Ann', 'Bob'].map((name) => ({ id: `${name}.png`, name, tags: [] })),
    picture: async () => ({ type: 'image/png', data: new Uint8Array([1]) }),
    idleMs: () => host.idle,
    at: () => ({ avatar: 'Ann.png', chatId: 'new', generating: false, saving: false }),
    open: async () => {},
  };
  const settings = { offered: ['Ann.png'], selectable: true };
  const characters = new Characters({ host, settings });
  assert.deepEqual(characters.list('SillyTavern-1', 'Bob.png'), {
    extension: 'SillyTavern-1',
    characters: [{ id: 'Ann.png', name: 'Ann', tags: [] }],
    truncated: false,
  });
  await assert.rejects(characters.picture('Bob.png'), { code: 7 });
  assert.equal((await characters.picture('Ann.png')).hash.length, 64);
  const link = { room: 'r', avatar: 'Bob.png', group: '', chatId: 'c', title: '' };
  await assert.rejects(characters.select('Bob.png', link, false), { code: 7 });
  await assert.rejects(characters.select('Ann.png', link, false), { code: 9 });
  host.idle = 61_000;
  assert.equal((await characters.select('Ann.png', link, false)).link.chatId, 'new');
  settings.selectable = false;
  await assert.rejects(characters.select('Ann.png', link, false), { code: 6 });
});

test('both Chinese files translate the same words, all that the panel has and no others', () => {
  const [cn, tw] = ['zh-cn', 'zh-tw'].map((name) => JSON.parse(readFileSync(`${home}/i18n/${name}.json`, 'utf-8')));
  assert.deepEqual(Object.keys(cn), Object.keys(tw));
  const source = ['panel.js', 'index.js'].map((name) => readFileSync(`${home}/${name}`, 'utf-8')).join('');
  for (const words of Object.keys(cn)) assert.ok(source.includes(words), words);
  const sentences = readFileSync(`${home}/panel.js`, 'utf-8').matchAll(/'([A-Z][^'\n]* [^'\n]*)'/g);
  for (const [, words] of sentences) assert.ok(cn[words], words);
});
