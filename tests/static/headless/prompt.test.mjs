// Headless answers over a SillyTavern of the tests. Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECRET, makeTavern } from './tavern_double.mjs';

const { answer, headlessSupport, readied } = await import(`${process.env.EXTENSION}/prompt.js`);
const { missingIn } = await import(`${process.env.EXTENSION}/tavern.js`);

const request = (more = {}) => ({ requestId: 'r1', identity: 'web-1', clientId: 'web', name: 'Ann', message: 'tell me of the dragon', context: [], ...more });
const asked = (more = {}) => ({ request: request(more), character: 'Robin.png', persona: false });
const contents = (body) => body.messages.map(({ role, content }) => `${role}: ${content}`);

test('a chat completion: preset, lore, card, examples, our words; sent by nobody but us', async () => {
  const { tavern, sent, listeners } = makeTavern();
  const { body } = await readied(tavern, asked());
  assert.deepEqual(contents(body), [
    'system: MAIN Robin/Ann last=tell me of the dragon',
    'system: LORE of Ann',
    'system: Robin knows Ann.',
    'system: [example]',
    'system: hi',
    'system: ho',
    'system: [new]',
    'system: DEPTH',
    'user: tell me of the dragon',
  ]);
  assert.equal(body.messages[4].name, 'example_user');
  assert.deepEqual([body.user_name, body.char_name, body.stream, body.tools, body.n, body.custom_url], ['Ann', 'Robin', true, undefined, undefined, 'http://own']);
  assert.deepEqual(sent, []);
  assert.deepEqual(listeners.get('ready'), []);
});

test('what goes on is joined to its beginning as SillyTavern joins the two', async () => {
  const goingOn = (text) => {
    const context = [{ messageId: 'm1', requestId: 'r1', message: 'a question', identity: 'web-1' }, { messageId: 'm2', requestId: 'r1', questionId: 'm1', isResponse: true, message: text }];
    return asked({ action: 'continue', context, message: 'a question', currentRequest: { messageId: 'm1', requestId: 'r1', name: 'Ann' } });
  };
  const begins = async (mainApi, text, oai = {}) => (await readied(makeTavern({ mainApi, oai }).tavern, goingOn(text))).begin;
  const usual = await begins('openai', 'the first');
  assert.deepEqual([usual(' '), usual(' and on'), usual('and on')], ['', ' and on', ' and on']);
  assert.equal((await begins('openai', 'the first', { continue_postfix: '\n\n' }))(' and'), '\n\nand');
  assert.equal((await begins('openai', 'the first', { continue_postfix: '' }))(' and'), ' and');
  assert.equal((await begins('textgenerationwebui', 'the fi'))('rst'), 'rst');
  const fresh = (await readied(makeTavern().tavern, asked())).begin;
  assert.equal(fresh(' hello'), 'hello');
});

test('canary_of_open_chat_in_no_headless_prompt: chat and text, without persona', async () => {
  for (const mainApi of ['openai', 'textgenerationwebui']) {
    const { tavern } = makeTavern({ mainApi });
    const { body } = await readied(tavern, asked());
    assert.ok(!JSON.stringify(body).includes(SECRET));
    assert.ok(!JSON.stringify(body).includes('Persona'));
  }
});

test('macro_in_answer_does_not_run: nor in a question, a name, or by way of a preset that quotes it', async () => {
  for (const mainApi of ['openai', 'textgenerationwebui']) {
    const { tavern, context, settings } = makeTavern({ mainApi });
    const evil = '{{setvar::x::1}}{{user}}';
    const before = structuredClone([context.chatMetadata, settings.variables]);
    const { body } = await readied(tavern, asked({ name: `{{setvar::y::1}}`, message: evil, context: [{ isResponse: true, message: evil, requestId: 'r0' }] }));
    const prompt = body.prompt ?? contents(body).join('\n');
    assert.ok(prompt.includes(evil), prompt); // as it was said
    assert.ok(!prompt.includes('Persona'));
    assert.deepEqual([context.chatMetadata, settings.variables], before);
  }
});

test('a text completion: story, our words, whom the model speaks as, and where it stops', async () => {
  const { tavern } = makeTavern({ mainApi: 'textgenerationwebui', power: { always_force_name2: true, strip_examples: true } });
  const { body } = await readied(tavern, asked({ temperature: 0.5, max_tokens: 9, custom_url: 'http://evil' }));
  assert.equal(body.prompt, 'SYSTEM Robin\nLORE of Ann\nRobin knows Ann.\nDEPTH\nAnn: tell me of the dragon\nRobin:');
  assert.deepEqual([body.temperature, body.max_tokens, body.api_server, body.custom_url, body.stop, body.stream], [0.5, 9, 'http://own', undefined, ['\nAnn:'], true]);
});

test('an instruct template, an answer that grows, words for who asks', async () => {
  const power = { instruct: { enabled: true, wrap: true }, strip_examples: true };
  const context = [
    { messageId: 'm1', requestId: 'r1', identity: 'web-1', name: 'Ann', message: 'tell me of the dragon' },
    { messageId: 'a1', requestId: 'r1', questionId: 'm1', isResponse: true, message: 'It was' },
  ];
  const more = { action: 'continue', context, currentRequest: { messageId: 'm1', requestId: 'r1', name: 'Ann' } };
  const text = await readied(makeTavern({ mainApi: 'textgenerationwebui', power }).tavern, asked(more));
  assert.ok(text.body.prompt.endsWith('<U>Ann: tell me of the dragon<A>Robin:It was'), text.body.prompt);
  const oai = { continue_nudge_prompt: 'GO ON', impersonation_prompt: 'AS {{user}}' };
  const chat = await readied(makeTavern({ oai }).tavern, asked(more));
  assert.deepEqual(contents(chat.body).slice(-2), ['assistant: It was', 'system: GO ON']);
  const mine = await readied(makeTavern({ oai }).tavern, asked({ action: 'impersonate' }));
  assert.equal(contents(mine.body).at(-1), 'system: AS Ann');
});

test('the newest words that there is room for, and an error where there is none', async () => {
  const context = Array.from({ length: 40 }, (_, n) => ({ messageId: `m${n}`, identity: 'b', name: 'Bob', message: `line ${n} ${'x'.repeat(100)}` }));
  const { body } = await readied(makeTavern({ oai: { openai_max_context: 500 } }).tavern, asked({ context }));
  const said = contents(body).filter((line) => line.includes('line '));
  assert.ok(said.length > 3 && said.length < 30);
  assert.ok(said.at(-1).includes('line 39'));
  await assert.rejects(readied(makeTavern({ oai: { openai_max_context: 105 } }).tavern, asked()), /larger than the context/);
});

test('the persona, when the host gives it', async () => {
  const { body } = await readied(makeTavern().tavern, { ...asked(), persona: true });
  assert.ok(contents(body).some((line) => line.includes('PERSONA')));
  assert.equal(body.user_name, 'Persona');
});

test('text and reasoning come as they grow; the end says both', async () => {
  const { tavern, sent } = makeTavern();
  const texts = [];
  const thoughts = [];
  const found = await answer(tavern, { ...asked(), onText: (text) => texts.push(text), onReasoning: (text) => thoughts.push(text) });
  assert.deepEqual([texts, thoughts, found, sent.length], [['Hel', 'Hello'], ['hm'], { text: 'Hello', reasoning: 'hm', finishReason: null }, 1]);
  assert.deepEqual(await answer(tavern, asked()), found); // whoever listens
});

test('two at once, each with its own words', async () => {
  const { tavern, sent, context } = makeTavern();
  const before = structuredClone(context.chat);
  await Promise.all(['one', 'two'].map((message) => answer(tavern, asked({ message }))));
  assert.deepEqual(sent.map((body) => body.messages.at(-1).content).sort(), ['one', 'two']);
  assert.deepEqual(context.chat, before);
});

test('who has stopped gets nothing more', async () => {
  const { tavern, sent } = makeTavern();
  await assert.rejects(answer(tavern, { ...asked(), signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.deepEqual(sent, []);
  const stop = new AbortController();
  await assert.rejects(answer(tavern, { ...asked(), signal: stop.signal, onText: () => stop.abort() }), { name: 'AbortError' });
});

test('APIs that answer in the chat only, and characters that are not there, are refused in words', async () => {
  for (const mainApi of ['kobold', 'koboldhorde', 'novel']) await assert.rejects(readied(makeTavern({ mainApi }).tavern, asked()), /answers in the chat only/);
  await assert.rejects(readied(makeTavern().tavern, { ...asked(), character: 'Nobody.png' }), /No such character/);
});

test('a SillyTavern that fails to make a body is an error, not a silence', async () => {
  const { tavern } = makeTavern();
  tavern.openai.sendOpenAIRequest = async () => { throw new Error('no model'); };
  await assert.rejects(readied(tavern, asked()), /no model/);
  tavern.openai.sendOpenAIRequest = async () => {};
  await assert.rejects(readied(tavern, asked()), /did not say/);
});

test('what this version lacks is named', async () => {
  const { tavern } = makeTavern();
  assert.deepEqual(missingIn(tavern), []);
  delete tavern.openai.sendOpenAIRequest;
  delete tavern.script.getMaxContextSize;
  delete tavern.context().TextCompletionService;
  assert.deepEqual(missingIn(tavern), ['openai.sendOpenAIRequest', 'script.getMaxContextSize', 'context.TextCompletionService']);
  const support = await headlessSupport(); // here is no SillyTavern at all
  assert.equal(support.supported, false);
  assert.equal(support.missing.length, 1);
});
