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
  covered = false;
  locked = false;
  goesOn = false;
  idle = Infinity;
  done = [];
  code = [];
  thought = '';
  handed = false;
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

  async say({ text, name, mark, calm, here }) {
    if (!here()) return;
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
    assert.ok(this.locked);
    this.done.push([type, this.covered]);
    await this.tell('started', type);
    return this.play(type, this);
  }

  swipe = () => this.generate('swipe');
  stop = () => this.done.push(['stop']);

  keep = () => (this.locked = true);
  isForeign = () => false;
  handOver = () => (this.handed = true);
  lock = () => (this.locked = true);
  unlock = () => (this.locked = false);
  box = { typed: '', cover: () => (this.covered = true), uncover: () => (this.covered = false) };
  speakers = () => ['Host Person', 'Ann'];
  guests = () => this.chat.filter((one) => one.mark?.clientId).map(({ name, mark }) => ({ name, clientId: mark.clientId }));
  rest = () => this.done.push(['rest']);
  wake = () => ({ raw: false, shown: false });
  beside = false;
  stopped = false;
  broken = () => false;
  streamed = () => null;
  placeOf = () => this.chat.length - 1;
  abandon = () => this.done.push(['abandon']);
  view = { hold() {}, release() {} };
  generateGroup = () => this.generate('group');
  swipeOf = (index, outputId) => this.chat[index].outputs?.indexOf(outputId) ?? -1;
  quiet = async () => {};

  async show(index, swipe) {
    this.done.push(['show', swipe]);
    this.chat[index].swipe = swipe;
  }

  async takeAnswers(questionId) {
    const taken = [];
    while (!this.last().isUser && this.last().mark?.questionId === questionId) taken.unshift(this.chat.pop());
    return async () => this.chat.push(...taken);
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

  ears = (name) => this.#ears.listeners(name);

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
    waits: [],
    sign() {
      this.waits.push('next');
    },
    asked(whole) {
      this.waits.push(whole ? 'whole' : 'first');
    },
    finish: () => {},
    more() {
      for (const one of said) one.whole = true;
    },
    output(about) {
      const mine = { who: about.character?.name, text: '', reasoning: '' };
      said.push(mine);
      return { id: `o${said.length}`, text: (text) => (mine.text = text), reasoning: (text) => (mine.reasoning = text) };
    },
  };
}

const asked = (more = {}) =>
  parseAsk({ requestId: 'r1', roomName: 'tavern', message: 'hello', clientId: 'anna', currentRequest: { messageId: 'q1', name: 'Anna' }, ...more });
const deskOf = (host, { trusts = () => false, link = LINK } = {}) => new Desk({ host, link: () => link, trusts });

test('a question is said under its speaker, and answered without the text box', async () => {
  const host = new FakeHost((_, it) => it.reply('Hi Anna.', ['Hi', 'Hi Anna. ']));
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.deepEqual(host.chat.map((one) => [one.name, one.text]), [['Anna', 'hello'], ['Ann', 'Hi Anna.']]);
  assert.deepEqual(host.done, [['regenerate', true]]);
  assert.deepEqual(told.said, [{ who: 'Ann', text: 'Hi Anna.', reasoning: '' }]);
  assert.ok(!host.covered && !host.locked);
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
  await deskOf(host).answer(asked({ message: '<script>', currentRequest: { messageId: 'q2' } }), way());
  assert.equal(host.chat.at(-2).text, '<\u200bscript>');
});

test('asked again, the last answer is swiped; continued, only the new part is told', async () => {
  const host = new FakeHost(async (type, it) => {
    if (type === 'regenerate') return it.reply('One.');
    assert.ok(it.covered);
    await it.tell('afterData');
    assert.ok(!it.covered);
    it.chat.at(-1).text = type === 'swipe' ? 'Two.' : 'Two. Three.';
    await it.tell('received', it.chat.length - 1, type);
    return 'x';
  });
  const desk = deskOf(host);
  await desk.answer(asked(), way());
  const again = way();
  await desk.answer(asked({ action: 'swipe' }), again);
  const more = way();
  await desk.answer(asked({ action: 'continue' }), more);
  assert.deepEqual([again.said[0].text, more.said[0].text], ['Two.', ' Three.']);
  assert.ok(!host.covered && !host.locked);
  host.chat.push({ name: 'Me', isUser: true, text: 'else' });
  await assert.rejects(desk.answer(asked({ action: 'regenerate' }), way()), /has gone on since/);
});

test('what was asked and given back is not said a second time', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  host.chat.push({ name: 'Anna', isUser: true, text: 'Hi', mark: { requestId: 'r1', questionId: 'q1' } });
  await deskOf(host).answer(asked(), way());
  assert.deepEqual(host.chat.map((one) => one.text), ['Hi', 'ok']);
});

test('an answer whose question was deleted, and which is the first message, is not changed: SillyTavern would run it', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  for (const action of ['swipe', 'continue', 'regenerate']) {
    host.chat = [{ name: 'Ann', isUser: false, text: 'b', mark: { requestId: 'r1', questionId: 'q1', outputId: 'o-b' } }];
    await assert.rejects(deskOf(host).answer(asked({ action }), way()), /question is not in SillyTavern any more/);
  }
  assert.ok(!host.locked);
});

test('nobody speaks as the person at the desk or a character, nor so that it looks like that', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  const said = async (name, trusts = () => false) => {
    await deskOf(host, { trusts }).answer(asked({ currentRequest: { messageId: `q${host.chat.length}`, name } }), way());
    return host.chat.at(-2).name;
  };
  for (const name of ['Ann', 'ANN', 'Αnn', 'A n n', 'Ａｎｎ', 'Ánn', 'Host Person', 'host-person', 'Нost Реrsоn', 'H0st Person']) assert.equal(await said(name), `${name} (anna)`);
  for (const name of ['Anna', 'Robin', '安', 'Guest']) assert.equal(await said(name), name);
  assert.equal(await said('Ann', () => true), 'Ann', 'whom the host trusts is who he says');
});

test('of two guests of one name the second one is shown with his id, as often as they speak', async () => {
  const host = new FakeHost((_, it) => it.reply('ok'));
  const names = [];
  for (const [clientId, name] of [['a', 'Robin'], ['b', 'ROBIN'], ['a', 'Robin'], ['b', 'Robin'], ['c', 'Robin (b)'], ['', 'Robin']]) {
    await deskOf(host).answer(asked({ clientId, currentRequest: { messageId: `q${host.chat.length}`, name } }), way());
    names.push(host.chat.at(-2).name);
  }
  assert.deepEqual(names, ['Robin', 'ROBIN (b)', 'Robin', 'Robin (b)', 'Robin (b) (c)', 'Robin (guest)']);
  assert.ok(!host.chat.some((one) => !one.isUser && one.mark.clientId));
});

test('scripts rest from the moment that the prompt of outsiders is made, and not for who is trusted', async () => {
  const rests = async (desk, host) => {
    host.done = [];
    await desk.answer(asked(), way());
    return host.done.filter(([done]) => done === 'rest').length;
  };
  const play = async (_, it) => {
    await it.tell('afterData');
    return it.reply('ok');
  };
  const host = new FakeHost(play);
  assert.equal(await rests(deskOf(host), host), 1);
  const other = new FakeHost(play);
  assert.equal(await rests(deskOf(other, { trusts: () => true }), other), 0);
});

test('the answer that the room acts on, or has chosen, is shown before it goes on', async () => {
  const chosen = { name: 'Ann', isUser: false, text: 'b', swipe: 1, swipes: 2, outputs: ['o-a', 'o-b'], mark: { requestId: 'r1', questionId: 'q1', outputId: 'o-b' } };
  const context = [{ isResponse: true, messageId: 'm-a', outputId: 'o-a', questionId: 'q1', selected: true }];
  const host = new FakeHost((_, it) => it.reply('ok'));
  const question = { name: 'Anna', isUser: true, text: 'Hi', mark: { questionId: 'q1', requestId: 'r1' } };
  host.chat = [question, { ...chosen }];
  await deskOf(host).answer(asked({ action: 'continue', messageId: 'm-a', context }), way());
  assert.deepEqual(host.done[0], ['show', 0]);
  host.chat = [{ ...chosen }];
  host.done = [];
  await deskOf(host).answer(asked({ currentRequest: { messageId: 'q2', name: 'Anna' }, context }), way());
  assert.deepEqual(host.done[0], ['show', 0]);
  host.chat = [question, { ...chosen, outputs: ['o-c', 'o-b'] }];
  await assert.rejects(deskOf(host).answer(asked({ action: 'continue', messageId: 'm-a', context }), way()), /has gone on since/);
  host.where.editing = true;
  host.chat = [question, { ...chosen }];
  await assert.rejects(deskOf(host).answer(asked({ action: 'continue', messageId: 'm-a', context }), way()), { name: 'Busy' });
});

test('in a group each member is an output; asked again all answer anew, and a failure leaves the old answers', async () => {
  const talk = async (_, it) => {
    for (const member of [1, 2]) {
      await it.tell('drafted', member);
      await it.reply(`I am ${member}.`, undefined, 'normal', `Member ${member}`);
    }
    return 'x';
  };
  const host = new FakeHost(talk);
  host.where = { avatar: '', group: 'g', chatId: 'c', generating: false, saving: false };
  const desk = deskOf(host, { link: { ...LINK, avatar: '', group: 'g', chatId: 'c' } });
  const told = way();
  await desk.answer(asked(), told);
  assert.deepEqual(told.said.map((one) => [one.who, one.text]), [['Member 1', 'I am 1.'], ['Member 2', 'I am 2.']]);
  await desk.answer(asked({ action: 'regenerate' }), way());
  assert.deepEqual(host.done, [['group', true], ['group', true]]);
  assert.equal(host.chat.length, 3);
  host.play = () => Promise.reject(new Error('down'));
  await assert.rejects(desk.answer(asked({ action: 'regenerate' }), way()), /down/);
  assert.deepEqual(host.chat.map((one) => one.text).slice(1), ['I am 1.', 'I am 2.']);
});

test('a group that is stopped between two members has ended with what was said, once; the desk stays locked there', async () => {
  for (const action of ['newMessage', 'regenerate']) {
    const told = way();
    const host = new FakeHost(async (_, it) => {
      await it.tell('drafted', 1);
      it.locked = false; // SillyTavern unlocks it after each member
      await it.reply('I am 1.');
      assert.ok(it.locked);
      it.locked = false; // and later, where answers do not stream
      await it.tell('drafted', 2);
      assert.ok(it.locked);
      assert.ok(told.said[0].whole);
      await it.tell('stopped');
      throw new Error('stopped');
    });
    host.where = { avatar: '', group: 'g', chatId: 'c', generating: false, saving: false };
    if (action === 'regenerate') host.chat = [{ isUser: true, text: 'Hi', mark: { questionId: 'q1' } }, { name: 'Ann', isUser: false, text: 'old', mark: { questionId: 'q1' } }];
    await deskOf(host, { link: { ...LINK, avatar: '', group: 'g', chatId: 'c' } }).answer(asked({ action }), told);
    assert.deepEqual(told.said.map((one) => [one.who, one.text]), [['Member 1', 'I am 1.']]);
    assert.deepEqual(host.chat.slice(1).map((one) => one.text), ['I am 1.']);
    assert.ok(!host.locked);
  }
});

test('whoever is made to speak at the desk in the middle of a group waits for its end, or for a stop that is not heard', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const stops of [false, true]) {
    const told = way();
    let waited = '';
    const host = new FakeHost(async (_, it) => {
      await it.tell('drafted', 1);
      it.isForeign = (type, options) => type === 'normal' && !options.signal;
      it.tell('started', 'normal', {}).then(() => (waited = it.chat.at(-1).text));
      await it.tell('started', 'normal', { signal: 'ours' });
      await it.reply('I am 1.');
      assert.equal(waited, '');
      if (stops) {
        told.stop.abort('silent');
        await new Promise(setImmediate);
        assert.equal(waited, '');
        t.mock.timers.tick(3_000);
        await new Promise(setImmediate);
        assert.equal(waited, 'I am 1.');
      }
      return 'x';
    });
    await deskOf(host).answer(asked(), told);
    await new Promise(setImmediate);
    assert.equal(waited, 'I am 1.');
    assert.equal(host.handed, !stops, 'what has begun before unlocks the desk itself, and has done so perhaps');
  }
});

test('what SillyTavern tells of an answer when that is over is passed over', async () => {
  let late;
  const host = new FakeHost((_, it) => ((late ??= [...it.ears('received'), ...it.ears('token')]), it.reply('ok')));
  const told = way();
  await deskOf(host).answer(asked(), told);
  const mark = { ...host.chat[1].mark };
  host.chat[1].text = '{{user}}';
  host.settle = () => assert.fail('another answer may be written now');
  for (const heard of late) await heard(1, 'normal');
  assert.deepEqual(host.chat[1].mark, mark);
  assert.deepEqual(told.said.map((one) => one.text), ['ok']);
});

test('a stop that comes while old answers are taken away begins nothing, and they are put back', async () => {
  const host = new FakeHost(() => assert.fail('nobody wants it'));
  host.where = { avatar: '', group: 'g', chatId: 'c', generating: false, saving: false };
  host.chat = [{ isUser: true, text: 'Hi', mark: { questionId: 'q1' } }, { name: 'Ann', isUser: false, text: 'old', mark: { questionId: 'q1' } }];
  const told = way();
  const { takeAnswers } = host;
  host.takeAnswers = (id) => (told.stop.abort('cancelled'), takeAnswers.call(host, id));
  await deskOf(host, { link: { ...LINK, avatar: '', group: 'g', chatId: 'c' } }).answer(asked({ action: 'regenerate' }), told);
  assert.deepEqual(host.chat.map((one) => one.text), ['Hi', 'old']);
});

test('what does not stop keeps the desk: the next question is asked again later', async () => {
  let end;
  const host = new FakeHost(() => new Promise((resolve) => (end = resolve)));
  const desk = deskOf(host);
  const first = way();
  const answered = desk.answer(asked(), first);
  while (!end) await new Promise(setImmediate);
  first.stop.abort('cancelled');
  await assert.rejects(desk.answer(asked({ currentRequest: { messageId: 'q2' } }), way()), { name: 'Busy' });
  assert.ok(desk.busy && host.locked);
  end();
  await answered;
  assert.ok(!desk.busy && !host.locked);
});

test('a character that is renamed in the middle of its answer ends that in words, and SillyTavern goes on when it has stopped', async () => {
  const host = new FakeHost(async (_, it) => {
    await it.tell('token', 'Half');
    const renamed = it.tell('characterRenamed', 'Ann.png', 'Anna.png').then(() => assert.ok(!desk.busy));
    await new Promise(setImmediate);
    assert.deepEqual(it.done.at(-1), ['abandon']);
    after.push(renamed);
  });
  const after = [];
  const desk = deskOf(host);
  const told = way();
  await assert.rejects(desk.answer(asked(), told), { message: 'The character was renamed in SillyTavern in the middle of the answer.' });
  await Promise.all(after);
  assert.equal(after.length, 1);
  assert.deepEqual(told.said.map((one) => one.text), ['Half']);
  await host.tell('characterRenamed', 'Bob.png', 'Rob.png'); // nothing is answered
});

test('what is asked of a room that was unlinked meanwhile is not said in the chat of another one', async () => {
  const host = new FakeHost(() => assert.fail('nothing is asked'));
  for (const link of [null, { ...LINK, room: 'another' }]) await assert.rejects(deskOf(host, { link }).answer(asked(), way()), /linked with this room/);
  assert.deepEqual(host.chat, []);
});

test('a generation that begins when an answer is there waits for it shortly: an extension may wait for both', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const host = new FakeHost(async (_, it) => {
    await it.reply('ok');
    it.isForeign = () => true;
    let free = false;
    const waits = it.tell('started', 'normal').then(() => (free = true));
    await new Promise(setImmediate);
    assert.ok(!free);
    t.mock.timers.tick(3_000);
    await waits;
    return 'x';
  });
  await deskOf(host).answer(asked(), way());
  assert.ok(!host.handed);
});

test('the text box stays covered while it is not sure whose prompt was made, until the first word', async () => {
  const host = new FakeHost(async (_, it) => {
    it.beside = true;
    await it.tell('afterData');
    assert.ok(it.covered);
    await it.tell('token', 'o');
    assert.ok(!it.covered);
    return it.reply('ok');
  });
  await deskOf(host).answer(asked(), way());
});

test('a stop of which is told late is one', async () => {
  const host = new FakeHost(async (_, it) => {
    await it.reply('par');
    it.stopped = true;
  });
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.equal(told.said[0].text, 'par');
});

test('a question is not said in a chat that was opened in its place', async () => {
  const host = new FakeHost(() => assert.fail('nothing is asked'));
  host.say = async ({ here }) => {
    host.where = { ...host.where, chatId: 'private' };
    assert.equal(here(), false);
  };
  await assert.rejects(deskOf(host).answer(asked(), way()), { message: 'The chat was closed in SillyTavern in the middle of the answer.' });
});

test('a model may take as long for each member of a group, and without streaming, as for its first token or whole answer', async () => {
  for (const [streams, waits] of [
    [true, ['first', 'next']],
    [false, ['whole', 'whole']],
  ]) {
    const host = new FakeHost(async (_, it) => (await it.tell('drafted', 1), it.reply('I am 1.', streams ? undefined : [])));
    host.streams = () => streams;
    host.where = { avatar: '', group: 'g', chatId: 'c', generating: false, saving: false };
    const told = way();
    await deskOf(host, { link: { ...LINK, avatar: '', group: 'g', chatId: 'c' } }).answer(asked(), told);
    assert.deepEqual(told.waits, waits);
  }
});

test('an answer that SillyTavern lets go on by itself is one', async () => {
  const host = new FakeHost((_, it) => it.reply('One'));
  host.goesOn = true;
  host.quiet = async () => {
    await host.tell('started', 'continue');
    await host.tell('token', ' and');
    host.chat.at(-1).text = 'One and more';
    await host.tell('received', 1, 'continue');
  };
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.deepEqual(told.said.map((one) => one.text), ['One and more']);
});

test('an answer that is stopped at the desk ends with what there is; one without a word was stopped there', async () => {
  const host = new FakeHost(async (_, it) => (await it.tell('token', 'par'), await it.tell('stopped'), it.chat.push({ name: 'Ann', isUser: false, text: 'par' }), Promise.reject(new Error('aborted'))));
  const told = way();
  await deskOf(host).answer(asked(), told);
  assert.equal(told.said[0].text, 'par');
  const silent = new FakeHost(async (_, it) => (await it.tell('stopped'), undefined));
  await assert.rejects(deskOf(silent).answer(asked(), way()), /stopped in SillyTavern/);
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

test('what has changed in the linked chat when it is loaded once more is told, and what has not is not', async () => {
  const host = new FakeHost();
  const told = [];
  const mirror = new Mirror({ host, desk: deskOf(host), say: ({ op, id, text, swipe, swipes }) => told.push([op, id, text, swipe, swipes]), uuid: () => `m${host.chat.length}` });
  for (const text of ['one', 'two', 'three']) {
    host.chat.push({ name: 'Ann', isUser: false, text, ...(text === 'two' ? { swipe: 1, swipes: 2 } : {}) });
    await host.tell('received', host.chat.length - 1, 'normal');
  }
  told.length = 0;
  Object.assign(host.chat[1], { text: 'first', swipe: 0, swipes: 1 });
  host.chat[2].text = 'changed';
  await host.tell('chatChanged');
  const changes = [['swipe', 'm2', 'first', 0, 1], ['edit', 'm3', 'changed', undefined, undefined]];
  assert.deepEqual(told, [['chat', '', undefined, undefined, undefined], ...changes]);
  host.chat[2].text = 'once more';
  await host.tell('edited', 2);
  await host.tell('chatChanged');
  assert.equal(told.length, 5);
  assert.equal(mirror.snapshot(1).messages[0].text, 'once more');
});

test('what happens at the desk while the line is down is told when it is back', async () => {
  const host = new FakeHost();
  const told = [];
  let up = false;
  const mirror = new Mirror({ host, desk: deskOf(host), say: (event) => up && told.push(event.op) > 0, uuid: () => 'm1' });
  host.chat.push({ name: 'Me', isUser: true, text: 'by hand' });
  await host.tell('sent', 0);
  mirror.opened();
  up = true;
  mirror.opened();
  mirror.opened();
  assert.deepEqual(told, ['chat', 'add', 'chat']);
});

test('an answer whose chat is closed in the middle fails in words, and nothing of the other chat is told or marked', async () => {
  const host = new FakeHost(async (_, it) => {
    await it.tell('token', 'Half');
    it.where = { ...it.where, chatId: 'private' };
    it.chat = [{ name: 'Ann', isUser: false, text: 'a secret' }];
    await it.tell('chatChanged');
    await it.tell('token', 'Half of it');
    await it.tell('received', 0, 'normal');
  });
  const told = way();
  await assert.rejects(deskOf(host).answer(asked(), told), { message: 'The chat was closed in SillyTavern in the middle of the answer.' });
  assert.deepEqual(told.said.map((one) => one.text), ['Half']);
  assert.deepEqual(host.chat, [{ name: 'Ann', isUser: false, text: 'a secret' }]);
  assert.deepEqual(host.done.map(([what]) => what), ['regenerate', 'abandon']);
  assert.ok(!host.locked && !host.covered);
});

test('an answer that is deleted in the middle fails in words; what stands in its place is none', async () => {
  const host = new FakeHost(async (_, it) => {
    it.streamed = () => 'message';
    await it.tell('token', 'Half');
    it.placeOf = () => -1;
    it.chat = [{ name: 'Ann', isUser: false, text: 'another answer' }];
    await it.tell('deleted');
  });
  const told = way();
  await assert.rejects(deskOf(host).answer(asked(), told), { message: 'The answer was deleted in SillyTavern in the middle.' });
  assert.deepEqual(told.said.map((one) => one.text), ['Half']);
  assert.equal(host.chat[0].mark, undefined);
});

test('of an answer that broke everything is kept that came, though SillyTavern has drawn less', async () => {
  const host = new FakeHost(async (_, it) => {
    await it.tell('token', 'Half of it');
    it.chat.push({ name: 'Ann', isUser: false, text: '...' });
    if (it.broken()) await it.tell('received', it.chat.length - 1, 'normal');
  });
  for (const said of [false, true]) {
    host.broken = () => said; // SillyTavern says that there is an answer in either case, but for swipes
    const told = way();
    await assert.rejects(deskOf(host).answer(asked({ currentRequest: { messageId: `q ${said}` } }), told), { message: 'The model did not finish its answer.' });
    assert.deepEqual(told.said.map((one) => one.text), ['Half of it']);
  }
});

test('an answer beside another that broke does nothing where something of it stays, and the old one is kept where nothing does', async () => {
  const old = { name: 'Ann', isUser: false, text: 'old', mark: { requestId: 'r1', questionId: 'q1', outputId: 'o-a' } };
  const again = asked({ requestType: 'regenerateMessage', currentRequest: { messageId: 'q1' } });
  for (const stays of [true, false]) {
    const host = new FakeHost(async (_, it) => {
      await it.tell('token', '{{user}}');
      if (stays) Object.assign(it.chat[1], { text: '{{user}}', swipe: 1, swipes: 2 });
    });
    host.chat = [{ name: 'Eve', isUser: true, text: 'Hi', mark: { questionId: 'q1' } }, { ...old }];
    await assert.rejects(deskOf(host).answer(again, way()), { message: 'The model did not finish its answer.' });
    const { text, mark } = host.chat[1];
    assert.equal(text === 'old', !stays);
    assert.equal(text.includes('{{'), false);
    assert.equal(mark.outputId === 'o-a', !stays);
  }
});
