// Requests, hashes, offered characters, words in three languages. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const home = process.env.EXTENSION;
const { ADVICE, adviceOf } = await import(`${home}/advice.js`);
const { Characters } = await import(`${home}/characters.js`);
const { Desk } = await import(`${home}/desk.js`);
const { followLink } = await import(`${home}/link.js`);
const { parseAsk } = await import(`${home}/request.js`);
const { sha256 } = await import(`${home}/sha256.js`);

test('a request is read member by member, and nothing else of it', () => {
  const ask = parseAsk({ requestId: 'r', message: 5, action: 'swipe', custom_url: 'http://evil', data: { reverse_proxy: 'x' } });
  assert.deepEqual(
    { ...ask },
    { requestId: 'r', action: 'again', word: 'swipe', questionId: '', room: '', text: '', speaker: '', clientId: '', outputId: '', chosen: new Map(), character: '' },
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

/** A desk with Ann's chat open; `open` and `newChat` are what SillyTavern does. */
function deskHost() {
  const host = {
    idle: Infinity,
    where: { avatar: 'Ann.png', group: '', chatId: 'Ann - 1', generating: false, saving: false, engaged: false },
    box: { typed: '' },
    names: ['Ann', 'Bob'],
    ears: new Map(),
    characters: () => host.names.map((name) => ({ id: `${name}.png`, name, tags: [] })),
    picture: async () => ({ type: 'image/png', data: new Uint8Array([1]) }),
    idleMs: () => host.idle,
    at: () => host.where,
    open: async ({ avatar, chatId }) => {
      host.where = { ...host.where, avatar, chatId: chatId || 'private' };
    },
    newChat: async () => {
      host.where = { ...host.where, chatId: 'new' };
    },
    on: (name, heard) => host.ears.set(name, heard),
  };
  return host;
}
const LINK = { room: 'r', avatar: 'Ann.png', group: '', chatId: 'Ann - 1', title: '' };
function choosing(host, settings) {
  const desk = new Desk({ host, link: () => settings.link, trusts: () => false });
  return { desk, characters: new Characters({ host, settings, desk }) };
}

test('only offered characters are shown, pictured or chosen', async () => {
  const settings = { offered: ['Ann.png'], selectable: true, link: LINK };
  const { characters } = choosing(deskHost(), settings);
  assert.deepEqual(characters.list('SillyTavern-1', 'Bob.png'), {
    extension: 'SillyTavern-1',
    characters: [{ id: 'Ann.png', name: 'Ann', tags: [] }],
    truncated: false,
  });
  await assert.rejects(characters.picture('Bob.png'), { code: 7 });
  assert.equal((await characters.picture('Ann.png')).hash.length, 64);
  await assert.rejects(characters.select('Bob.png'), { code: 7 });
  assert.deepEqual(await characters.select('Ann.png'), { id: 'Ann.png', name: 'Ann' });
  settings.selectable = false;
  await assert.rejects(characters.select('Ann.png'), { code: 6 });
});

test('a character is chosen while nobody is at the desk, and answers in a chat of the room alone', async () => {
  const host = deskHost();
  const settings = { offered: null, selectable: true, link: LINK };
  const { characters, desk } = choosing(host, settings);
  const refused = async (words) => assert.rejects(characters.select('Bob.png'), { code: 9, message: words });
  host.idle = 59_999;
  await refused('Somebody is at work in SillyTavern.');
  host.idle = 60_000;
  host.where.engaged = true;
  await refused('Somebody is at work in SillyTavern.');
  host.where.engaged = false;
  host.box.typed = 'hm';
  await refused('Something is half typed in SillyTavern.');
  host.box.typed = '';
  host.where.generating = true;
  await refused('SillyTavern is answering.');
  host.where.generating = false;
  desk.busy = true; // the answer before ends in this moment
  setTimeout(() => (desk.busy = false), 60);
  assert.deepEqual(await characters.select('Bob.png'), { id: 'Bob.png', name: 'Bob' });
  assert.deepEqual([settings.link.avatar, settings.link.chatId], ['Bob.png', 'new']);
  await characters.select('Ann.png');
  assert.equal(settings.link.chatId, 'Ann - 1');
  host.newChat = () => assert.fail('it has one');
  await characters.select('Bob.png');
  assert.equal(settings.link.chatId, 'new');
  host.open = async () => {};
  await assert.rejects(characters.select('Ann.png'), { code: 9 });
  assert.equal(settings.link.avatar, 'Bob.png');
});

test('names that change are followed, and a linked chat that is deleted is linked no more', async () => {
  const host = deskHost();
  const settings = { link: { ...LINK, title: 'Ann · Ann - 1', chats: { 'Ann.png': 'Ann - 1', 'Bob.png': 'b' } }, character: 'Ann.png', offered: ['Ann.png', 'Bob.png'] };
  let lost = 0;
  let there = true;
  host.hasChat = async ({ avatar, chatId }) => (assert.deepEqual([avatar, chatId], ['Anna.png', 'x']), there);
  followLink({ host, settings, changed: () => 'kept', lost: () => (lost += 1) });
  const tell = (name, ...args) => host.ears.get(name)(...args);
  assert.equal(tell('characterRenamed', 'Ann.png', 'Anna.png'), 'kept', 'SillyTavern waits until it is');
  assert.deepEqual(settings.link.chats, { 'Bob.png': 'b', 'Anna.png': 'Ann - 1' });
  assert.deepEqual([settings.link.avatar, settings.character, settings.offered], ['Anna.png', 'Anna.png', ['Anna.png', 'Bob.png']]);
  tell('chatRenamed', { avatarId: 'Bob.png', oldFileName: 'Ann - 1.jsonl', newFileName: 'x.jsonl' });
  assert.equal(settings.link.chatId, 'Ann - 1');
  tell('chatRenamed', { avatarId: 'Anna.png', oldFileName: 'Ann - 1.jsonl', newFileName: 'x.jsonl' });
  assert.deepEqual([settings.link.chatId, settings.link.chats['Anna.png'], settings.link.title], ['x', 'x', 'Ann · x']);
  for (const name of ['Ann - 1', 'b', 'x']) await tell('chatDeleted', name); // the last one is another character's
  tell('groupChatDeleted', 'x');
  tell('characterDeleted', { character: { avatar: 'Bob.png' } });
  assert.equal(lost, 0);
  there = false;
  await tell('chatDeleted', 'x');
  tell('characterDeleted', { character: { avatar: 'Anna.png' } });
  settings.link = { ...LINK, avatar: '', group: 'g', chatId: 'g1' };
  await tell('chatDeleted', 'g1');
  tell('chatRenamed', { groupId: 'g', oldFileName: 'g1.jsonl', newFileName: 'g2.jsonl' });
  tell('groupChatDeleted', 'g2');
  assert.equal(lost, 3);
});

test('both Chinese files translate the same words, all that the panel has and no others', () => {
  const [cn, tw] = ['zh-cn', 'zh-tw'].map((name) => JSON.parse(readFileSync(`${home}/i18n/${name}.json`, 'utf-8')));
  assert.deepEqual(Object.keys(cn), Object.keys(tw));
  const source = ['panel.js', 'index.js', 'advice.js'].map((name) => readFileSync(`${home}/${name}`, 'utf-8')).join('');
  for (const words of Object.keys(cn)) assert.ok(source.includes(words), words);
  const sentences = readFileSync(`${home}/panel.js`, 'utf-8').matchAll(/'([A-Z][^'\n]* [^'\n]*)'/g);
  for (const [, words] of sentences) assert.ok(cn[words], words);
  for (const words of [...ADVICE.values()].filter(Boolean).concat(adviceOf('You are not a member of room a.\nb.'))) assert.ok(cn[words], words);
});

test('what the hub says is told with what helps, and what nobody foresaw as it is', () => {
  assert.match(adviceOf('Invalid pairing code'), /newage pair/);
  assert.match(adviceOf('You are not a member of room lobby.'), /^The extension is not a member/);
  for (const words of ['', 'Something else.']) assert.equal(adviceOf(words), words);
});
