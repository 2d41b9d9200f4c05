// @ts-check
// The answer to one request: what is being generated becomes outputs of the hub's task, a watchdog sees that it goes on,
// and it ends or fails once, in words.

import { Busy, Refusal } from './refusal.js';

/** How long may pass until a model server's sign, in ms; without streaming there is none before the whole answer. */
export const PATIENCE = Object.freeze({ first: 120_000, next: 45_000, whole: 300_000, stop: 5_000 });

/**
 * @typedef {object} Sink one output that grows
 * @property {(whole: string) => void} text all of it so far
 * @property {(whole: string) => void} reasoning all of it so far
 */

/**
 * @typedef {object} Way how a generator answers
 * @property {AbortSignal} signal stop when it aborts
 * @property {(about?: {action?: string, character?: {id: string, name: string}}) => Sink} output begin the next output
 * @property {() => void} sign something was heard of the model
 * @property {(ms: number) => void} patience the model says nothing before so long
 * @property {(reason: string) => void} finish why it ended, as the model server names it
 */

/**
 * Answer `task` by `generate`. Resolves when all is said; never rejects.
 *
 * @param {object} given
 * @param {any} given.task of the hub's client: output, busy, fail, over, signal
 * @param {(way: Way) => Promise<void>} given.generate
 * @param {{setTimeout: Function, clearTimeout: Function}} [given.world]
 * @returns {Promise<void>}
 */
export async function answer({ task, generate, world = globalThis }) {
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
  wait(PATIENCE.first);
  const way = {
    signal: stop.signal,
    output: (/** @type {any} */ about) => outputs.open(about),
    sign: () => wait(PATIENCE.next),
    patience: wait,
    finish: (/** @type {string} */ reason) => outputs.finish(reason),
  };
  let problem;
  const late = overdue(stop.signal, world);
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

  /** @param {any} task */
  constructor(task) {
    this.#task = task;
  }

  /** @returns {Sink} */
  open(/** @type {any} */ about = {}) {
    this.#outlet?.end({ more: true, finishReason: this.#reason });
    this.#reason = '';
    const outlet = this.#task.output(about);
    this.#outlet = outlet;
    this.begun = true;
    const show = (/** @type {string} */ whole, /** @type {'text'|'reasoning'} */ kind) => {
      if (whole) this.said = true;
      outlet.show(whole, kind);
    };
    return { text: (whole) => show(whole, 'text'), reasoning: (whole) => show(whole, 'reasoning') };
  }

  finish(/** @type {string} */ reason) {
    this.#reason = reason;
  }

  end() {
    this.#outlet.end({ finishReason: this.#reason });
  }
}

/** `passed` rejects when what was stopped does not stop. */
function overdue(/** @type {AbortSignal} */ signal, /** @type {any} */ world) {
  let timer;
  let forgotten = false;
  const passed = new Promise((_, reject) => {
    const wait = () => {
      if (!forgotten) timer = world.setTimeout(() => reject(new Refusal('SillyTavern did not stop.')), PATIENCE.stop);
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
    .replace(/https?:\/\/\S+/gi, '…')
    .slice(0, 300);
  return said ? `The model failed: ${said}` : 'The model failed.';
}
