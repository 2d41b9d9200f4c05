// Answers in the chat, and its mirror, on a SillyTavern that is only pretended. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';

const { Desk } = await import(`${process.env.EXTENSION}/desk.js`);
const { Mirror } = await import(`${process.env.EXTENSION}/mirror.js`);
const { parseAsk } = await import(`${process.env.EXTENSION}/request.js`);

const LINK = { room: 'tavern', avatar: 'Ann.png', group: '', chatId: 'Ann - 1', title: 'Ann' };

/** `play(type, host)` is what the model does. */
class FakeHost {
  where = { avatar: 'Ann.png', group: '', chatId: 'Ann - 1', generating: false, saving: false };
  chat = [];
  box = '';
  idle = Infinity;
  done = [];
  code = [];
  thought = '';
  #ears = new EventEmitter();
  #trouble = () => {};

  constructor(play = () => 'x') {
    this.play = play;
  }

  at = () => this.where;
  has = () => true;
  idleMs = () => this.idle;
  streams = () => true;
  runsCode = () => this.code;
  character = (index) => (index === undefined ? { id: 'Ann.png', name: 'Ann' } : { id: `${index}.png`, name: `Member ${index}` });
  reasoning = () => this.thought;
  continued = () => this.chat.at(-1).text;
  last = () => this.message(this.chat.length - 1);
  message = (index) => (this.chat[index] ? { swipe: 0, swipes: 1, reasoning: '', at: '', character: null, mark: null, ...this.chat[index], index } : null);
  messages = () => this.chat.map((_, index) => this.message(index));
  knows = (id) => this.chat.some((one) => one.mark?.questionId === id);
  mark = (index, mark) => (this.chat[index].mark = mark);

  async open(link) {
    this.done.push(['open', link.chatId]);
    this.where = { ...this.where, ...link };
  }

  async say({ text, name, mark, calm }) {
    this.chat.push({ name, isUser: true, text: calm(text), mark });
    await this.tell('sent', this.chat.length - 1);
  }

  async settle(index, { mark, calm }) {
    const message = this.chat[index];
    if (!message || message.isUser) return null;
    Object.assign(message, { mark, text: calm(message.text) });
    return { text: message.text, reasoning: message.reasoning ?? '' };
  }

  async generate(type) {
    this.done.push([type, this.box]);
    return this.play(type, this);
  }

  swipe = () => this.generate('swipe');
  stop = () => this.done.push(['stop']);

  takeBox() {
    const kept = this.box;
    this.box = '';
    return kept;
  }

  giveBox(kept) {
    this.box = kept + this.box;
  }

  troubles(heard) {
    this.#trouble = heard;
    return () => {};
  }

  toast = (words) => this.#trouble(words);

  on(name, react) {
    this.#ears.on(name, react);
    return () => this.#ears.off(name, react);
  }

  async tell(name, ...args) {
    for (const react of this.#ears.listeners(name)) await react(...args);
  }

  async reply(text, tokens = [text], type = 'normal', name = 'Ann') {
    for (const token of tokens) await this.tell('token', token);
    this.chat.push({ name, isUser: false, text });
    await this.tell('received', this.chat.length - 1, type);
    return text;
  }
}

/** What an answer says, as one list. */
function way() {
  const said = [];
  const stop = new AbortController();
  return {
    said,
    stop,
    signal: stop.signal,
    sign: () => {},
    patience: () => {},
    finish: () => {},
    output(about) {
      const mine = { who: about.character?.name, text: '', reasoning: '' };
      said.push(mine);
      return { text: (text) => (mine.text = text), reasoning: (text) => (mine.reasoning = text) };
    },
  };
}

const asked = (more = {}) =>
  parseAsk({ requestId: 'r1', roomName: 'tavern', message: 'hello', clientId: 'anna', currentRequest: { messageId: 'q1', name: 'Anna' }, ...more });
const deskOf = (host, { trusts = () => false, link = LINK } = {}) => new Desk({ host, link: () => link, trusts });

test('a question is said under its speaker, and answered without the text box', async () => {
  const host = new FakeHost((_, it) => it.reply('Hi Anna.', ['Hi', 'Hi Anna. ']));
  host.box = 'half typed';
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.deepEqual(host.chat.map((one) => [one.name, one.text]), [['Anna', 'hello'], ['Ann', 'Hi Anna.']]);
  assert.deepEqual(host.done, [['regenerate', 'half typed']]);
  assert.deepEqual(told.said, [{ who: 'Ann', text: 'Hi Anna.', reasoning: '' }]);
  assert.equal(host.box, 'half typed');
});

test('macros of outsiders do nothing, in question, name and in the answer that stays', async () => {
  const host = new FakeHost((_, it) => it.reply('{{setvar::x::1}} <USER>'));
  const told = way();
  await deskOf(host).answer(asked({ message: '/run {{user}}', currentRequest: { messageId: 'q1', name: '{{char}}' } }), told);
  for (const { name, text } of host.chat) assert.doesNotMatch(name + text, /\{\{|<USER>|^\//);
  assert.doesNotMatch(told.said[0].text, /\{\{|<USER>/);
});

test('a trusted client keeps its macros; where code of messages runs, angles are broken', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  await deskOf(host, { trusts: (id) => id === 'anna' }).answer(asked({ message: '{{user}}' }), way());
  assert.equal(host.chat[0].text, '{{user}}');
  host.code = ['JS-Slash-Runner'];
  await deskOf(host).answer(asked({ message: '<script>' }), way());
  assert.equal(host.chat.at(-2).text, '<\u200bscript>');
});

test('asked again, the last answer is swiped; continued, only the new part is told', async () => {
  const host = new FakeHost(async (type, it) => {
    if (type === 'regenerate') return it.reply('One.');
    assert.equal(it.box, '');
    if (type === 'continue') {
      await it.tell('afterData');
      assert.equal(it.box, 'half typed');
      it.box += ' and more';
    }
    it.chat.at(-1).text = type === 'swipe' ? 'Two.' : 'Two. Three.';
    await it.tell('received', it.chat.length - 1, type);
    return type === 'swipe' ? undefined : 'x';
  });
  host.box = 'half typed';
  const desk = deskOf(host);
  await desk.answer(asked(), way());
  const again = way();
  await desk.answer(asked({ action: 'swipe' }), again);
  const more = way();
  await desk.answer(asked({ action: 'continue' }), more);
  assert.deepEqual([again.said[0].text, more.said[0].text], ['Two.', ' Three.']);
  assert.equal(host.box, 'half typed and more');
  host.chat.push({ name: 'Me', isUser: true, text: 'else' });
  await assert.rejects(desk.answer(asked({ action: 'regenerate' }), way()), /has gone on since/);
});

test('in a group each member is an output, and the box is kept until the end', async () => {
  const host = new FakeHost(async (type, it) => {
    assert.equal(type, 'normal');
    for (const member of [1, 2]) {
      await it.tell('drafted', member);
      assert.equal(it.box, '');
      await it.reply(`I am ${member}.`, undefined, 'normal', `Member ${member}`);
    }
    await it.tell('groupFinished');
    return 'x';
  });
  host.where = { avatar: '', group: 'g', chatId: 'c', generating: false, saving: false };
  host.box = 'half typed';
  const told = way();
  await deskOf(host, { link: { ...LINK, avatar: '', group: 'g', chatId: 'c' } }).answer(asked(), told);
  assert.deepEqual(told.said.map((one) => [one.who, one.text]), [['Member 1', 'I am 1.'], ['Member 2', 'I am 2.']]);
  assert.equal(host.box, 'half typed');
});

test('reasoning is told apart', async () => {
  const host = new FakeHost((_, it) => ((it.thought = 'let me see'), it.reply('Yes.')));
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.deepEqual(told.said, [{ who: 'Ann', text: 'Yes.', reasoning: 'let me see' }]);
});

test('a broken stream, an error that only the desk is shown, and no answer at all are failures', async () => {
  const broken = new FakeHost(async (_, it) => (await it.reply('par'), undefined));
  const told = way();
  await assert.rejects(deskOf(broken).answer(asked(), told), /did not finish/);
  assert.equal(told.said[0].text, 'par');
  const shown = new FakeHost(async (_, it) => (it.toast('boom'), it.reply('par')));
  await assert.rejects(deskOf(shown).answer(asked(), way()), /boom/);
  await assert.rejects(deskOf(new FakeHost(() => undefined)).answer(asked(), way()), /no answer/);
});

test('a stop reaches SillyTavern and is no failure', async () => {
  const told = way();
  const host = new FakeHost(async (_, it) => {
    await it.tell('token', 'par');
    told.stop.abort('cancelled');
    return it.reply('par');
  });
  await deskOf(host).answer(asked(), told);
  assert.deepEqual(host.done.at(-1), ['stop']);
});

test('another open chat is left only when nobody is at the desk', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  host.where = { ...host.where, avatar: 'Bob.png', chatId: 'Bob - 1' };
  host.idle = 1_000;
  await assert.rejects(deskOf(host).answer(asked(), way()), { name: 'Busy' });
  host.idle = 61_000;
  await deskOf(host).answer(asked(), way());
  assert.deepEqual(host.done[0], ['open', 'Ann - 1']);
  host.where.generating = true;
  await assert.rejects(deskOf(host).answer(asked(), way()), { name: 'Busy' });
});

test('the mirror tells what the desk does in the linked chat, never what the hub asked', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  const desk = deskOf(host);
  const told = [];
  let next = 0;
  const mirror = new Mirror({ host, desk, say: (event) => told.push([event.op, event.id, event.text]), uuid: () => `m${(next += 1)}` });
  await desk.answer(asked(), way());
  assert.deepEqual(told, []);
  host.chat.push({ name: 'Me', isUser: true, text: 'by hand' });
  await host.tell('sent', 2);
  host.chat[2].text = 'edited';
  await host.tell('edited', 2);
  host.chat.pop();
  await host.tell('deleted');
  assert.deepEqual(told, [['add', 'm1', 'by hand'], ['edit', 'm1', 'edited'], ['delete', 'm1', undefined]]);
  assert.equal(mirror.snapshot(1).messages[0].text, 'ok');
  host.where = { ...host.where, chatId: 'private' };
  host.chat = [{ name: 'Me', isUser: true, text: 'secret' }];
  await host.tell('chatChanged');
  await host.tell('sent', 0);
  assert.equal(told.length, 3);
  assert.throws(() => mirror.snapshot(), /Another chat is open/);
});
