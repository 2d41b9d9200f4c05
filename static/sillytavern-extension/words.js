// @ts-check
// What was said, read from a request as the hub forwards it (contract 5.4): its own `data.messages`, or the room's `context`.

import { breakName } from './outsiders.js';
import { Refusal } from './refusal.js';

/**
 * @typedef {object} Word
 * @property {string} name as whom it was said; '' for the character that answers
 * @property {'user'|'assistant'|'system'} role
 * @property {string} text
 */
/**
 * @typedef {object} Words
 * @property {Word[]} history oldest first
 * @property {string} user who asks
 * @property {'answer'|'continue'|'impersonate'} task
 */

const MESSAGES = 1_000; // at most, the newest
const LENGTH = 4_000_000; // characters of all of them; no model holds more
/** Characters of one question; hubs take no longer ones. */
export const QUESTION_LENGTH = 1_000_000;
const AGAIN = new Set(['regenerateMessage', 'regenerate', 'swipe', 'continue']);

/** @param {any} request @returns {Words} */
export function wordsOf(request) {
  const action = text(request.action) || text(request.requestType);
  const asked = object(request.currentRequest);
  const user = breakName(text(asked.name) || text(request.name) || text(request.clientId) || text(request.requestingIdentity) || text(request.identity));
  const own = [request.data?.messages, request.messages].find((list) => Array.isArray(list) && list.length > 0);
  const history = own ? own.map((/** @type {any} */ one) => spoken(one, user)) : said(request, asked, action, user);
  const task = action === 'continue' && history.at(-1)?.role === 'assistant' ? 'continue' : action === 'impersonate' ? 'impersonate' : 'answer';
  return { history: newest(history.filter((/** @type {Word} */ word) => word.text.trim()).slice(-MESSAGES)), user, task };
}

/** Of these, the newest ones that are not too long together. @param {Word[]} history @returns {Word[]} */
function newest(history) {
  let left = LENGTH;
  const older = history.findLastIndex((word) => (left -= word.text.length) < 0);
  if ((history.at(-1)?.text.length ?? 0) > QUESTION_LENGTH) throw new Refusal('That is too long.', 7);
  return history.slice(older + 1);
}

/** A message in the form of OpenAI's API. @param {any} one @param {string} user @returns {Word} */
function spoken(one, user) {
  const role = one?.role === 'assistant' ? 'assistant' : one?.role === 'system' || one?.role === 'developer' ? 'system' : 'user';
  const name = text(one?.name);
  return { role, name: name ? breakName(name) : role === 'user' ? user : '', text: content(one?.content) };
}

/**
 * The room's messages, then the question as it is to be answered: where several people's were merged their joined text, in the
 * place of its parts; asked again, what came after it is left out.
 * @param {any} request @param {any} asked @param {string} action @param {string} user @returns {Word[]}
 */
function said(request, asked, action, user) {
  const context = (Array.isArray(request.context) ? request.context : []).filter((/** @type {any} */ one) => one && typeof one === 'object');
  const merged = [request.originalRequestIds, asked.originalRequestIds].find(Array.isArray) ?? [];
  const parts = new Set([asked.requestId, ...merged].filter(Boolean));
  const isPart = (/** @type {any} */ one) => !one.isResponse && (one.messageId === asked.messageId || parts.has(one.requestId)) && asked.messageId !== undefined;
  const at = context.findIndex((/** @type {any} */ one) => one.messageId !== undefined && one.messageId === asked.messageId);
  const before = AGAIN.has(action) && at >= 0 ? context.slice(0, at) : context;
  const history = before.filter((/** @type {any} */ one) => one && !one.isSystem && !isPart(one)).map((/** @type {any} */ one) => stored(one, user, request));
  const question = text(request.message);
  if (request.type === 'THINK_REQUEST') history.push({ role: 'system', name: '', text: question });
  else if (question) history.push({ role: 'user', name: user, text: question });
  if (action === 'continue' && at >= 0) {
    const answer = context.slice(at + 1).findLast((/** @type {any} */ one) => one?.isResponse && (one.questionId ? one.questionId === asked.messageId : one.requestId === context[at].requestId));
    if (answer) history.push(stored(answer, user, request));
  }
  return history;
}

/** A message object of contract 4.6. @param {any} one @param {string} user @param {any} request @returns {Word} */
function stored(one, user, request) {
  if (one.isResponse || one.fromLlm) return { role: 'assistant', name: text(one.character?.name) ? breakName(one.character.name) : '', text: text(one.message) };
  const mine = one.identity !== undefined && one.identity === request.identity;
  return { role: 'user', name: mine ? user : breakName(text(one.name) || text(one.clientId) || text(one.identity)), text: text(one.message) };
}

/** @param {any} value @returns {any} */
function object(value) {
  return value && typeof value === 'object' ? value : {};
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}

/** Text, or parts of which the texts count. @param {unknown} value */
function content(value) {
  if (Array.isArray(value)) return value.map((part) => (typeof part === 'string' ? part : text(part?.text))).join('');
  return text(value);
}
