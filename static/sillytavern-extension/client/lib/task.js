// @ts-check
import { Emitter } from './emitter.js';
import { Outlet } from './outlet.js';

const LLM = '/llm';
const ENDED = 'STOP_PROCESSING';
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
  #telling = false;
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
    this.room = text(said.roomName) || text(said.targetRoom);
    /** @type {string} 'newMessage', 'regenerate', 'swipe', 'continue', 'impersonate' */
    this.action = text(said.action) || text(said.requestType) || 'newMessage';
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
    this.#close('BUSY', { requestId: this.requestId, retryAfterMs, ...(reason ? { reason } : {}) });
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
    for (const outlet of this.outlets) outlet.shut();
    this.#close('ERROR', { type: 'ERROR', requestId: this.requestId, message, error: message });
    this.over();
  }

  /** Nothing more will be said, after a last output that announced another one. */
  end() {
    if (this.done) return;
    this.#close(ENDED, { targetRoom: this.room, requestId: this.requestId });
    this.over();
  }

  // ---- for the extension's line

  /** @type {[string, any] | null} its last word, which the hub has not heard: the line is down, or has not let us in yet */
  unsaid = null;

  /** Its last word is said, if there is one: after all that its outputs have to say. */
  conclude() {
    if (!this.unsaid || this.#line.state !== 'connected' || this.outlets.some((outlet) => outlet.behind)) return;
    const [event, payload] = this.unsaid;
    if (event === ENDED) this.#tell(payload);
    else if (this.#line.say(LLM, event, payload)) {
      this.unsaid = null;
      for (const outlet of this.outlets) outlet.drop();
    }
  }

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

  // ---- inside

  #close(/** @type {string} */ event, /** @type {any} */ payload) {
    this.unsaid = [event, payload];
    this.conclude();
  }

  /** Whether this was heard only the hub can say: what had begun is not asked again. */
  async #tell(/** @type {any} */ payload) {
    if (this.#telling) return;
    this.#telling = true;
    try {
      await this.#line.ask(LLM, ENDED, payload);
      this.unsaid = null;
    } catch (failure) {
      if (!(/** @type {import('./failure.js').Failure} */ (failure).lost)) this.unsaid = null; // else said at the next return
    }
    this.#telling = false;
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
