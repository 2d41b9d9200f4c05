// What was said, read from a request as the hub forwards it (contract 5.4). Run by test_extension_modules.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { wordsOf } = await import(`${process.env.EXTENSION}/words.js`);

const said = (n, more = {}) => ({ messageId: `m${n}`, requestId: `r${n}`, identity: 'web-1', clientId: 'web', name: 'Ann', fromClient: true, message: `question ${n}`, ...more });
const answer = (n, more = {}) => ({ messageId: `a${n}`, requestId: `r${n}`, questionId: `m${n}`, isResponse: true, fromLlm: true, message: `answer ${n}`, ...more });
const asking = (n, context, more = {}) => ({ requestId: `r${n}`, identity: 'web-1', clientId: 'web', message: `question ${n}`, requestType: 'newMessage', currentRequest: said(n), context, ...more });
const texts = (words) => words.history.map(({ role, name, text }) => `${role}/${name}: ${text}`);

test('the context of the room, then the question, once', () => {
  const words = wordsOf(asking(2, [said(1), answer(1), { isSystem: true, message: 'Bob joined.' }, said(9, { identity: 'bob', name: 'Bob' }), said(2)]));
  assert.deepEqual(texts(words), ['user/Ann: question 1', 'assistant/: answer 1', 'user/Bob: question 9', 'user/Ann: question 2']);
  assert.deepEqual([words.user, words.task], ['Ann', 'answer']);
});

test('a merged question stands for its parts', () => {
  const request = asking(3, [said(1), said(2), said(3)], { message: 'question 2\n\nquestion 3' });
  request.currentRequest.originalRequestIds = ['r2', 'r3'];
  assert.deepEqual(texts(wordsOf(request)), ['user/Ann: question 1', 'user/Ann: question 2\n\nquestion 3']);
});

test('asked again, what came after the question is left out', () => {
  const context = [said(1), answer(1), said(2), answer(2)];
  for (const action of ['regenerate', 'swipe']) assert.deepEqual(texts(wordsOf(asking(1, context, { requestType: 'regenerateMessage', action }))), ['user/Ann: question 1']);
});

test('an answer that grows is the last word', () => {
  const words = wordsOf(asking(1, [said(1), answer(1), said(2)], { action: 'continue' }));
  assert.deepEqual([texts(words), words.task], [['user/Ann: question 1', 'assistant/: answer 1'], 'continue']);
  assert.equal(wordsOf(asking(1, [said(1)], { action: 'continue' })).task, 'answer');
});

test('impersonation and thinking are told apart', () => {
  assert.equal(wordsOf(asking(1, [said(1)], { action: 'impersonate' })).task, 'impersonate');
  const thinking = wordsOf({ type: 'THINK_REQUEST', requestId: 'think_1', message: 'Say something.', context: [said(1)] });
  assert.deepEqual(texts(thinking), ['user/Ann: question 1', 'system/: Say something.']);
});

test('messages of the request itself take the place of the context', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', name: 'Eve', content: [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: 'http://x' }, 'b'] },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: 'd' },
    { role: 'developer', content: 'e' },
    null,
    { role: 'user', content: { x: 1 } },
  ];
  const words = wordsOf(asking(1, [said(9)], { data: { messages } }));
  assert.deepEqual(texts(words), ['system/: Be brief.', 'user/Eve: ab', 'assistant/: c', 'user/Ann: d', 'system/: e']);
});

test('names are broken, and a name is found for everybody', () => {
  const words = wordsOf({ message: 'x', clientId: 'web', context: [{ message: 'y', identity: 'bob', name: '{{user}}\n' }, answer(1, { character: { name: '<char>' } })] });
  assert.equal(words.user, 'web');
  for (const { name } of words.history) assert.doesNotMatch(name, /\{\{|<char>|\n/);
});

test('what is no request has no words', () => {
  assert.deepEqual(wordsOf({}), { history: [], user: 'Guest', task: 'answer' });
  assert.deepEqual(wordsOf({ context: 'x', message: 7, data: { messages: [] } }).history, []);
});
