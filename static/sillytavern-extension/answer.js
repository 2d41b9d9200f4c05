// @ts-check
// The answer to one request: what is being generated becomes outputs of the hub's task, a watchdog sees that it goes on,
// and it ends or fails once, in words.

import { Busy, Refusal } from './refusal.js';

/** How long may pass until a model server's sign, in ms; without streaming there is none before the whole answer. */
export const PATIENCE = Object.freeze({ first: 120_000, next: 45_000, whole: 300_000, stop: 5_000 });

const PATIENCE_MIN = 1_000;
const PATIENCE_MAX = 3_600_000;

/** The limits as somebody's settings have them, where they are within reason: no field of the panel. */
export function patienceOf(/** @type {any} */ wanted) {
  const chosen = Object.entries(PATIENCE).map(([name, ms]) => {
    const other = Number(wanted?.[name]);
    return [name, other >= PATIENCE_MIN && other <= PATIENCE_MAX ? other : ms];
  });
  return /** @type {Record<'first'|'next'|'whole'|'stop', number>} */ (Object.fromEntries(chosen));
}

/**
 * @typedef {object} Sink one output that grows
 * @property {string} id the outputId
 * @property {(whole: string) => void} text all of it so far
 * @property {(whole: string) => void} reasoning all of it so far
 */

/**
 * @typedef {object} Way how a generator answers
 * @property {AbortSignal} signal stop when it aborts
 * @property {(about?: {action?: string, character?: {id: string, name: string}}) => Sink} output begin the next output
 * @property {() => void} more what has been said so far is whole, and something else may follow
 * @property {() => void} sign something was heard of the model
 * @property {(whole: boolean) => void} asked a model is asked once more; `whole`: it says nothing before all of its answer
 * @property {(reason: string) => void} finish why it ended, as the model server names it
 */

/**
 * Answer `task` by `generate`. Resolves when all is said; never rejects.
 *
 * @param {object} given
 * @param {any} given.task of the hub's client: output, busy, fail, over, signal
 * @param {(way: Way) => Promise<void>} given.generate
 * @param {Record<'first'|'next'|'whole'|'stop', number>} [given.limits]
 * @param {{setTimeout: Function, clearTimeout: Function}} [given.world]
 * @returns {Promise<void>}
 */
export async function answer({ task, generate, limits = PATIENCE, world = globalThis }) {
  const stop = new AbortController();
  const outputs = new Outputs(task);
  let silent = false;
  let timer;
  const wait = (/** @type {number} */ ms) => {
    world.clearTimeout(timer);
    if (stop.signal.aborted) return;
    timer = world.setTimeout(() => {
      silent = true;
      stop.abort('silent');
    }, ms);
  };
  const cancel = () => stop.abort(task.signal.reason);
  if (task.signal.aborted) cancel();
  task.signal.addEventListener('abort', cancel, { once: true });
  wait(limits.first);
  const way = {
    signal: stop.signal,
    output: (/** @type {any} */ about) => outputs.open(about),
    more: () => outputs.more(),
    sign: () => wait(limits.next),
    asked: (/** @type {boolean} */ whole) => wait(whole ? limits.whole : limits.first),
    finish: (/** @type {string} */ reason) => outputs.finish(reason),
  };
  let problem;
  const late = overdue(stop.signal, limits.stop, world);
  try {
    await Promise.race([generate(way), late.passed]);
  } catch (error) {
    problem = error;
  }
  late.forget();
  world.clearTimeout(timer);
  task.signal.removeEventListener('abort', cancel);
  if (task.signal.aborted) task.over();
  else if (silent) task.fail(outputs.begun ? 'The model fell silent.' : 'The model did not begin to answer.');
  else if (problem instanceof Busy && !outputs.begun) task.busy(problem.afterMs, problem.message);
  else if (problem) task.fail(words(problem));
  else if (!outputs.said) task.fail('The model gave no answer.');
  else outputs.end();
}

/** The outputs of one request, one after the other; each is ended when it is known whether another one follows. */
class Outputs {
  begun = false;
  said = false;
  #task;
  /** @type {any} */
  #outlet = null;
  #reason = '';
  #open = false;

  /** @param {any} task */
  constructor(task) {
    this.#task = task;
  }

  /** @returns {Sink} */
  open(/** @type {any} */ about = {}) {
    this.more();
    const outlet = this.#task.output(about);
    this.#outlet = outlet;
    this.begun = this.#open = true;
    const show = (/** @type {string} */ whole, /** @type {'text'|'reasoning'} */ kind) => {
      if (whole) this.said = true;
      outlet.show(whole, kind);
    };
    return { id: outlet.outputId, text: (whole) => show(whole, 'text'), reasoning: (whole) => show(whole, 'reasoning') };
  }

  finish(/** @type {string} */ reason) {
    this.#reason = reason;
  }

  /** The open one is whole. */
  more() {
    if (this.#open) this.#outlet.end({ more: true, finishReason: this.#reason });
    this.#open = false;
    this.#reason = '';
  }

  end() {
    if (this.#open) this.#outlet.end({ finishReason: this.#reason });
    else this.#task.end();
  }
}

/** `passed` rejects when what was stopped does not stop. */
function overdue(/** @type {AbortSignal} */ signal, /** @type {number} */ ms, /** @type {any} */ world) {
  let timer;
  let forgotten = false;
  const passed = new Promise((_, reject) => {
    const wait = () => {
      if (!forgotten) timer = world.setTimeout(() => reject(new Refusal('SillyTavern did not stop.')), ms);
    };
    if (signal.aborted) wait();
    else signal.addEventListener('abort', wait, { once: true });
  });
  const forget = () => {
    forgotten = true;
    world.clearTimeout(timer);
  };
  return { passed, forget };
}

/** What the asker is told of an error: our own words, or the model server's first line, without addresses. */
function words(/** @type {any} */ error) {
  if (error instanceof Refusal) return error.message;
  const said = String(error?.error?.message ?? error?.message ?? error ?? '')
    .split('\n')[0]
    .replace(/[^\s"'()<>,]+/g, (word) => (isAddress(word) ? '…' : word))
    .replace(/(ENOTFOUND|EAI_AGAIN) \S+/g, '$1 …')
    .slice(0, 300);
  return said ? `The model failed: ${said}` : 'The model failed.';
}

/** Of the web, of a host with its port, or a number of the Internet. @param {string} word */
function isAddress(word) {
  const colon = word.lastIndexOf(':');
  const port = colon > 0 && /^\d{2,5}(?!\d)/.test(word.slice(colon + 1)) && /[a-z.:]/i.test(word.slice(0, colon));
  return port || /https?:\/\//i.test(word) || /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/.test(word);
}
