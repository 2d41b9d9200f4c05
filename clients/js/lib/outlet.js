// @ts-check
import { KINDS } from './output.js';

const LLM = '/llm';
const CHUNK = 16_384; // UTF-16 units of one event at most

/**
 * One output on its way into the hub. Its text is kept here until the hub has it: after a cut it goes on from where the hub
 * says that it is.
 */
export class Outlet {
  #said = { text: '', reasoning: '' };
  #sent = { text: 0, reasoning: 0 };
  #lowest = { text: Infinity, reasoning: Infinity }; // what was voided since the hub said where it is
  #rev = 0; // how often
  #index = 0;
  #streamId = '';
  /** @type {any} what END says, once it has been said here */
  #end = null;
  #endSent = false;
  #dropped = false;
  #shut = false; // it has no END
  #begun = false; // START was said, by this line or one before
  #open = false; // the hub has START, and its answer where one was awaited
  #line;
  #task;
  #about;

  /**
   * @param {import('./line.js').Line} line
   * @param {import('./task.js').Task} task
   * @param {{action?: string, character?: {id: string, name: string, avatar?: string}, outputId?: string}} about
   */
  constructor(line, task, { outputId, ...about }) {
    this.#line = line;
    this.#task = task;
    this.#about = about;
    this.outputId = outputId ?? line.world.uuid();
    this.#start({});
  }

  get text() {
    return this.#said.text;
  }

  get reasoning() {
    return this.#said.reasoning;
  }

  /** Whether END was said. */
  get over() {
    return this.#end !== null;
  }

  /** The text is this now: what is new is sent, and a RESET before it where the beginning has changed. */
  show(/** @type {string} */ text, /** @type {'text'|'reasoning'} */ kind = 'text') {
    const before = this.#said[kind];
    if (this.over || text === before) return;
    if (!text.startsWith(before)) this.reset(same(before, text), kind);
    this.push(text.slice(this.#said[kind].length), kind);
  }

  /** More of it. */
  push(/** @type {string} */ piece, /** @type {'text'|'reasoning'} */ kind = 'text') {
    if (this.over || !piece) return;
    this.#said[kind] += piece;
    this.#flush();
  }

  /** What came from there on is void. */
  reset(/** @type {number} */ at, /** @type {'text'|'reasoning'} */ kind = 'text') {
    if (this.over || at >= this.#said[kind].length) return;
    this.#said[kind] = this.#said[kind].slice(0, at);
    if (this.#sent[kind] > at) this.#void(kind, at);
  }

  /** It is complete; with `more`, another output of the same request follows. */
  end({ more = false, finishReason = '', extra = undefined } = /** @type {any} */ ({})) {
    if (this.over) return;
    this.#end = { final: true, ...(more ? { more } : {}), ...(finishReason ? { finishReason } : {}), ...(extra ? { extra } : {}) };
    this.#flush();
    if (!more) this.#task.over();
  }

  // ---- for the extension's line

  /** Whether the hub may not have heard all of it. */
  get unsure() {
    return !this.#dropped;
  }

  /** Whether END was sent, by this line or one before. */
  get told() {
    return this.#endSent;
  }

  /** Whether this line has yet to be told what there is of it. */
  get behind() {
    return !this.#dropped && !this.#open;
  }

  /** No more of it: what was said so far is sent, and it ends with its request. */
  shut() {
    if (this.over) return;
    this.#end = {};
    this.#shut = true;
  }

  /** The line was cut: nothing is sent before the hub has said what it has. */
  cut() {
    this.#open = false;
  }

  /** The line is back. Resolves with whether the hub still wants it. */
  async resume() {
    if (this.#open) return true; // it began on this line
    if (!this.#begun) {
      await this.#start({}); // while the line was down: the hub has not heard of it
      this.#flush();
      return true;
    }
    try {
      const at = await this.#start({ resume: true, at: this.#said.text.length });
      return at !== null;
    } catch {
      return false;
    }
  }

  /** The hub has ended it: whatever comes is dropped. */
  drop() {
    this.#end ??= {};
    this.#endSent = this.#dropped = true;
    this.#open = false;
  }

  // ---- inside

  async #start(/** @type {{resume?: boolean, at?: number}} */ how) {
    this.#streamId = this.#line.world.uuid();
    this.#index = 0;
    const payload = { type: 1, ...this.#names(), target: 'server', ...this.#about, ...how };
    if (!how.resume) {
      this.#begun = this.#open = this.#line.say(LLM, 'CLIENT_STREAM_START', payload);
      return null;
    }
    const ack = await this.#line.ask(LLM, 'CLIENT_STREAM_START', payload);
    for (const [kind, at] of /** @type {const} */ ([['text', ack?.at], ['reasoning', ack?.reasoningAt]])) {
      this.#sent[kind] = typeof at === 'number' ? at : 0;
    }
    this.#open = true;
    // Of what was voided since, the hub may have heard nothing, or a part: it is voided again from the lowest place on.
    const heard = ack?.rev === this.#rev;
    this.#rev = typeof ack?.rev === 'number' ? ack.rev : this.#rev;
    for (const kind of KINDS) {
      const lowest = heard ? Infinity : this.#lowest[kind];
      this.#lowest[kind] = Infinity;
      const at = Math.min(lowest, this.#said[kind].length);
      if (this.#sent[kind] > at) this.#void(kind, at);
    }
    this.#endSent = false;
    this.#flush();
    return ack;
  }

  #flush() {
    if (!this.#open) return;
    for (const kind of /** @type {const} */ (['reasoning', 'text'])) {
      while (this.#sent[kind] < this.#said[kind].length) {
        const from = this.#sent[kind];
        let to = Math.min(from + CHUNK, this.#said[kind].length);
        // half a character waits for its other half
        if (isHigh(this.#said[kind].charCodeAt(to - 1)) && !(this.over && to === this.#said[kind].length)) to -= 1;
        if (to === from || !this.#chunk(kind, this.#said[kind].slice(from, to))) break;
        this.#sent[kind] = to;
      }
    }
    if (!this.#end || this.#endSent || this.#shut || !this.#open) return;
    this.#endSent = this.#say('CLIENT_STREAM_END', { type: 3, ...this.#end });
  }

  /** The hub is told, now or when the line is back; it may be lost on the way, which the hub's `rev` shows. */
  #void(/** @type {'text'|'reasoning'} */ kind, /** @type {number} */ at) {
    this.#lowest[kind] = Math.min(this.#lowest[kind], at);
    this.#rev += 1;
    if (!this.#open) return;
    this.#sent[kind] = at;
    this.#say('CLIENT_STREAM_RESET', { kind, at });
  }

  #chunk(/** @type {'text'|'reasoning'} */ kind, /** @type {string} */ data) {
    if (kind === 'reasoning') return this.#say('CLIENT_STREAM_DATA_MIDDLE', { type: 5, kind, data });
    const first = this.#index === 0;
    const said = this.#say(first ? 'CLIENT_STREAM_DATA_FIRST' : 'CLIENT_STREAM_DATA_MIDDLE', {
      type: first ? 4 : 5, chunkIndex: this.#index, kind, data,
    });
    if (said) this.#index += 1;
    return said;
  }

  #say(/** @type {string} */ event, /** @type {any} */ payload) {
    const said = this.#line.say(LLM, event, { ...this.#names(), ...payload });
    if (!said) this.#open = false;
    return said;
  }

  #names() {
    return { streamId: this.#streamId, outputId: this.outputId, requestId: this.#task.requestId };
  }
}

function isHigh(/** @type {number} */ unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The length of the beginning that two texts share, in whole characters. */
function same(/** @type {string} */ one, /** @type {string} */ other) {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at += 1;
  return at > 0 && isHigh(one.charCodeAt(at - 1)) ? at - 1 : at;
}
