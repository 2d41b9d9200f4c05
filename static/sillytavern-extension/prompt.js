// @ts-check
// Headless answers: a prompt of the request's own words, sent over a connection of its own. The open chat is neither read nor
// touched (contract 16.1, B17), and a request chooses no destination (B18).

import { chatPrompt } from './chat_completion.js';
import { inside } from './inside.js';
import { chooseForChat, chooseForText, optionsOf } from './options.js';
import { overhear } from './overheard.js';
import { prepare } from './scene.js';
import { loadTavern, missingIn } from './tavern.js';
import { textPrompt } from './text_completion.js';
import { wordsOf } from './words.js';

/** @typedef {import('./tavern.js').Tavern} Tavern */
/** @typedef {import('./scene.js').Scene} Scene */
/** @typedef {{text: string, reasoning: string, finishReason: string | null}} Answer */
/**
 * @typedef {object} Asked
 * @property {any} request LLM_REQUEST as the hub forwards it
 * @property {string} [character] the id (avatar) of the character that answers; none: the preset alone
 * @property {AbortSignal} [signal]
 * @property {(text: string) => void} [onText] hears the whole text so far
 * @property {(reasoning: string) => void} [onReasoning] hears the whole reasoning so far
 * @property {boolean} [persona] the host gives his persona: its name, description and book
 */

/** The APIs of SillyTavern that can be asked beside a chat. */
const CHAT = 'openai';
const TEXT = 'textgenerationwebui';

/**
 * Whether this SillyTavern can answer headless.
 * @returns {Promise<{supported: boolean, missing: string[]}>} `missing`: exports that it lacks, or the module that failed
 */
export async function headlessSupport() {
  try {
    const missing = missingIn(await loadTavern());
    return { supported: missing.length === 0, missing };
  } catch (error) {
    return { supported: false, missing: [String(/** @type {any} */ (error)?.message ?? error)] };
  }
}

/** Answer a request. Rejects in words, or with the signal's reason. @param {Asked} asked @returns {Promise<Answer>} */
export async function headless(asked) {
  return answer(await loadTavern(), asked);
}

/** @param {Tavern} tavern @param {Asked} asked @returns {Promise<Answer>} */
export async function answer(tavern, { request, character = '', signal, onText, onReasoning, persona = false }) {
  signal?.throwIfAborted();
  const { send, begin } = await readied(tavern, { request, character, persona });
  signal?.throwIfAborted();
  let failed = '';
  const chunks = await overhear(
    () => send(signal ?? new AbortController().signal),
    (words) => {
      failed ||= words;
    },
  );
  /** @type {Answer} */
  const found = { text: '', reasoning: '', finishReason: null }; // SillyTavern's services do not say why it ended
  for await (const chunk of chunks()) {
    signal?.throwIfAborted();
    const text = begin(String(chunk.text ?? ''));
    const reasoning = String(chunk.state?.reasoning ?? '');
    const grown = { reasoning: reasoning !== found.reasoning, text: text !== found.text };
    Object.assign(found, { text, reasoning });
    if (grown.reasoning) onReasoning?.(reasoning);
    if (grown.text) onText?.(text);
  }
  signal?.throwIfAborted();
  if (failed) throw new Error(failed);
  return found;
}

/**
 * The body that would be sent, and the way to send it.
 * @param {Tavern} tavern @param {{request: any, character: string, persona: boolean}} asked
 * @returns {Promise<{body: any, send: (signal: AbortSignal) => Promise<() => AsyncIterable<any>>, begin: (text: string) => string}>}
 *   `begin`: the answer so far as it is shown
 */
export async function readied(tavern, { request, character, persona }) {
  const api = tavern.context().mainApi;
  if (api !== CHAT && api !== TEXT) {
    throw new Error(`The API "${api}" answers in the chat only. For other rooms choose Chat Completion or Text Completion in SillyTavern.`);
  }
  const scene = await prepare(tavern, { words: wordsOf(request), avatar: character, persona });
  const options = optionsOf(request);
  const context = tavern.context();
  if (api === CHAT) {
    const body = await chatBody(tavern, scene, await chatPrompt(tavern, scene));
    chooseForChat(body, options);
    return { body, begin: beginning(scene, String(context.chatCompletionSettings.continue_postfix ?? ' ')), send: (signal) => context.ChatCompletionService.sendRequest(body, false, signal) };
  }
  const body = await textBody(tavern, scene, await textPrompt(tavern, scene));
  chooseForText(body, options);
  return { body, begin: beginning(scene, ''), send: (signal) => context.TextCompletionService.sendRequest(body, false, signal) };
}

/**
 * How an answer begins: without blanks; where it goes on from a text, as SillyTavern joins the two: with the host's choice of
 * what stands between them, or as the model says it.
 * @param {Scene} scene @param {string} postfix @returns {(text: string) => string}
 */
function beginning({ task, history }, postfix) {
  if (task !== 'continue') return (text) => text.trimStart();
  if (!postfix || history.at(-1)?.text.endsWith(' ')) return (text) => text;
  return (text) => (text.trim() ? postfix + text.trimStart() : '');
}

/**
 * What SillyTavern would send for these messages with the host's settings: it makes the body, it is taken, and the request is
 * aborted before it leaves.
 * @param {Tavern} tavern @param {Scene} scene @param {any[]} messages
 */
async function chatBody(tavern, scene, messages) {
  const { eventSource, eventTypes } = tavern.context();
  const mark = crypto.randomUUID();
  /** @type {any} */
  let taken;
  const take = (/** @type {any} */ body) => {
    if (body?.messages?.at?.(-1)?.content === mark) taken = body;
  };
  eventSource.on(eventTypes.CHAT_COMPLETION_SETTINGS_READY, take);
  try {
    const marked = [...messages, { role: 'system', content: mark }];
    await inside(tavern, scene.stage, () => tavern.openai.sendOpenAIRequest('normal', marked, AbortSignal.abort()));
  } catch (error) {
    if (!taken) throw error; // else the abort
  } finally {
    eventSource.removeListener(eventTypes.CHAT_COMPLETION_SETTINGS_READY, take);
  }
  if (!taken) throw new Error('SillyTavern did not say how it asks its model.');
  const { n, tools, tool_choice, ...body } = taken;
  return { ...body, messages: taken.messages.slice(0, -1), stream: true, user_name: scene.user, char_name: scene.name, group_names: [] };
}

/** @param {Tavern} tavern @param {Scene} scene @param {string} prompt */
async function textBody(tavern, scene, prompt) {
  const context = tavern.context();
  const length = context.powerUserSettings.amount_gen ?? tavern.script.amount_gen;
  const body = await inside(tavern, scene.stage, () => tavern.textgen.getTextGenGenerationData(prompt, length, false, false, null, 'normal'));
  // SillyTavern stops where the person at the desk would speak; here somebody else does.
  const theirs = (/** @type {unknown} */ stops) => (Array.isArray(stops) ? stops.map((stop) => (stop === `\n${context.name1}:` ? `\n${scene.user}:` : stop)) : stops);
  for (const name of ['stop', 'stopping_strings']) if (body[name] !== undefined) body[name] = theirs(body[name]);
  return { ...body, stream: true };
}
