// @ts-check
import { Emitter } from './emitter.js';
import { Outlet } from './outlet.js';

const LLM = '/llm';
const SIGN_MS = 20_000; // the hub hears that often that something is being done

/**
 * One request that the hub gave to an extension. `said` is all of it as it came; `signal` aborts when its answer is not
 * wanted any more ('cancelled', 'timeout', 'rerouted', 'gone' is its reason). Tells 'over' () when all was said.
 */
export class Task extends Emitter {
  /** @type {Outlet[]} */
  outlets = [];
  done = false;
  #abort = new AbortController();
  #sign = /** @type {any} */ (null);
  #accepted = /** @type {any} */ (null);
  #line;

  /**
   * @param {import('./line.js').Line} line
   * @param {any} said
   */
  constructor(line, said) {
    super();
    this.#line = line;
    this.said = said;
    /** @type {string} */
    this.requestId = said.requestId;
    /** @type {string} */
    this.room = said.roomName ?? said.targetRoom ?? '';
    /** @type {string} 'newMessage', 'regenerate', 'swipe', 'continue', 'impersonate' */
    this.action = said.action ?? said.requestType ?? 'newMessage';
  }

  get signal() {
    return this.#abort.signal;
  }

  /** It will be answered: said at once, and again every 20 s until it is. */
  accept(/** @type {'chat'|'headless'} */ where, /** @type {number | undefined} */ position = undefined) {
    if (this.done) return;
    this.#accepted = { requestId: this.requestId, where, ...(position === undefined ? {} : { position }) };
    this.sign();
  }

  /** Not now: the hub asks again later. */
  busy(retryAfterMs = 2_000, reason = '') {
    if (this.done) return;
    this.#line.say(LLM, 'BUSY', { requestId: this.requestId, retryAfterMs, ...(reason ? { reason } : {}) });
    this.over();
  }

  /** One output of its answer: one for each character of a group, each but the last ended with `more`. */
  output(/** @type {{action?: string, character?: any, outputId?: string}} */ about = {}) {
    const outlet = new Outlet(this.#line, this, about);
    if (this.done) outlet.drop();
    else this.outlets.push(outlet);
    return outlet;
  }

  /** It went wrong; what was said so far is kept. */
  fail(/** @type {string} */ message) {
    if (this.done) return;
    this.failure = { type: 'ERROR', requestId: this.requestId, message, error: message };
    if (this.#line.say(LLM, 'ERROR', this.failure)) this.failure = null;
    for (const outlet of this.outlets) outlet.drop();
    this.over();
  }

  /** Nothing more will be said, after a last output that announced another one. */
  end() {
    if (this.done) return;
    this.#line.say(LLM, 'STOP_PROCESSING', { targetRoom: this.room, requestId: this.requestId });
    this.over();
  }

  // ---- for the extension's line

  /** @type {any} a failure that the hub has not heard */
  failure = null;

  sign() {
    this.#line.world.clearTimeout(this.#sign);
    if (this.done || !this.#accepted) return;
    this.#line.say(LLM, 'ACCEPT_REQUEST', this.#accepted);
    this.#sign = this.#line.world.setTimeout(() => this.sign(), SIGN_MS);
  }

  over() {
    if (this.done) return;
    this.done = true;
    this.#line.world.clearTimeout(this.#sign);
    this.emit('over');
  }

  /** The hub does not want it any more; resolves when the work has stopped. */
  async stop(/** @type {string} */ reason, /** @type {number} */ withinMs) {
    for (const outlet of this.outlets) outlet.drop();
    const stopped = new Promise((resolve) => {
      if (this.done) resolve(undefined);
      this.on('over', () => resolve(undefined));
    });
    this.#abort.abort(reason);
    let timer;
    const late = new Promise((resolve) => {
      timer = this.#line.world.setTimeout(() => resolve(undefined), withinMs);
    });
    await Promise.race([stopped, late]);
    this.#line.world.clearTimeout(timer);
    this.over();
  }
}
