// @ts-check
import { Emitter } from './emitter.js';
import { Pieces } from './pieces.js';

/** @typedef {'live' | 'ended' | 'failed' | 'cancelled' | 'gone'} State */

/** Names of the two texts of an output. */
export const KINDS = /** @type {const} */ (['text', 'reasoning']);

/**
 * One output: what one extension (one character of a group) says to one request. It has its place in the hub, and this is
 * our copy, to which nothing is added twice and in which nothing is missing.
 *
 * Tells 'text' (piece) and 'reasoning' (piece) as they grow, 'reset' (kind, at) when what came from there on is void, and
 * 'end' () when it is over; `state` is 'live', 'ended', 'failed', 'cancelled' or 'gone' (not ours to read any more).
 */
export class Output extends Emitter {
  #pieces = { text: new Pieces(), reasoning: new Pieces() };
  #expected = { text: 0, reasoning: 0 }; // so long they are at least, says the hub
  #places = false; // whether the hub says where a piece begins
  #stale = false; // it was revised while we were away: RESUME_OUTPUTS gives all of it anew
  #refill = false; // an older hub will send all from the start as one piece, and then go on

  /** @param {string} id */
  constructor(id) {
    super();
    this.outputId = id;
    this.requestId = '';
    this.questionId = '';
    this.roomName = '';
    this.identity = '';
    this.requester = '';
    this.action = '';
    /** @type {{id: string, name: string, avatar?: string} | null} */
    this.character = null;
    this.state = /** @type {State} */ ('live');
    this.messageId = '';
    this.partial = false;
    this.stored = true;
    this.finishReason = '';
    this.rev = 0;
    this.streamed = false;
  }

  get text() {
    return this.#pieces.text.text;
  }

  get reasoning() {
    return this.#pieces.reasoning.text;
  }

  /** Whether the hub has more of it than we do, and will not send it unasked. */
  get behind() {
    return this.state === 'live' && (this.#stale || KINDS.some((kind) => this.#pieces[kind].gap || this.#pieces[kind].text.length < this.#expected[kind]));
  }

  /** What RESUME_OUTPUTS is told of it. */
  get position() {
    return { outputId: this.outputId, at: this.text.length, reasoningAt: this.reasoning.length, rev: this.rev };
  }

  /** The hub gave what it had, and still something seems to be missing: its end will bring the whole text. */
  settleFor() {
    for (const kind of KINDS) this.#pieces[kind].forget();
    this.#expected = { text: 0, reasoning: 0 };
    this.#stale = false;
  }

  /** The line was cut. */
  cut() {
    this.#refill = this.streamed && !this.#places && this.state === 'live';
  }

  /** Whose it is, and what it answers. */
  describe(/** @type {any} */ said) {
    for (const name of /** @type {const} */ (['requestId', 'questionId', 'roomName', 'identity', 'requester', 'action', 'messageId', 'finishReason'])) {
      if (typeof said[name] === 'string' && said[name]) this[name] = said[name];
    }
    if (said.character && typeof said.character === 'object') this.character = said.character;
  }

  /** SERVER_STREAM_START */
  started(/** @type {any} */ said) {
    this.#places = this.streamed = true;
    this.describe(said);
    if (this.state === 'ended') this.state = 'live';
    if (number(said.rev) !== this.rev) {
      if (this.text || this.reasoning) this.#stale = true;
      else this.rev = number(said.rev);
    }
    this.#expected.text = Math.max(this.#expected.text, number(said.at));
  }

  /** SERVER_STREAM_DATA */
  grown(/** @type {any} */ said) {
    this.streamed = true;
    this.describe(said);
    if (this.#stale) return; // RESUME_OUTPUTS will have it
    if (this.state !== 'live') this.state = 'live'; // it goes on after its end (contract 5.6)
    const kind = said.kind === 'reasoning' ? 'reasoning' : 'text';
    const data = typeof said.data === 'string' ? said.data : '';
    if (typeof said.at === 'number') {
      this.#places = true;
      this.#refill = false;
      this.#add(kind, said.at, data);
    } else if (this.#refill) {
      this.#refill = false;
      this.#settle(kind, data);
    } else {
      this.#add(kind, this.#pieces[kind].text.length, data);
    }
  }

  /** SERVER_STREAM_RESET */
  voided(/** @type {any} */ said) {
    const kind = said.kind === 'reasoning' ? 'reasoning' : 'text';
    this.#cut(kind, number(said.at));
    this.rev = number(said.rev, this.rev + 1);
  }

  /**
   * What RESUME_OUTPUTS says of it.
   * @returns {boolean} whether there is more to ask for
   */
  resumed(/** @type {any} */ said) {
    this.describe(said);
    if (said.state === 'gone') {
      this.#over('gone', {});
      return false;
    }
    this.#places = this.streamed = true;
    this.#refill = this.#stale = false;
    if (number(said.rev, this.rev) !== this.rev) {
      this.rev = said.rev;
      this.#restart(said);
    }
    if (typeof said.text === 'string') this.#add('text', number(said.from), said.text);
    if (typeof said.reasoning === 'string') this.#add('reasoning', number(said.reasoningFrom), said.reasoning);
    if (said.more) return true;
    if (said.state !== 'live') this.#over(said.state, said);
    else this.#expected = { text: 0, reasoning: 0 };
    return false;
  }

  /** SERVER_STREAM_END, or all at once: LLM_RESPONSE, `message`, a message of the history. */
  ended(/** @type {any} */ said) {
    this.describe(said);
    const whole = said.data ?? said.message;
    if (typeof whole === 'string' && (whole || !said.failed)) this.#settle('text', whole);
    if (typeof said.reasoning === 'string') this.#settle('reasoning', said.reasoning);
    this.#over(said.cancelled ? 'cancelled' : said.failed ? 'failed' : 'ended', said);
  }

  // ---- inside

  /** It was revised while we were away: what we have counts as far as it is what the hub sends. */
  #restart(/** @type {any} */ said) {
    const text = typeof said.text === 'string' && number(said.from) === 0 ? common(this.text, said.text, Boolean(said.more)) : 0;
    this.#cut('text', text);
    const thought = typeof said.reasoning === 'string' && number(said.reasoningFrom) === 0
      ? common(this.reasoning, said.reasoning, Boolean(said.more)) : 0;
    this.#cut('reasoning', thought);
  }

  #add(/** @type {'text'|'reasoning'} */ kind, /** @type {number} */ at, /** @type {string} */ data) {
    const fresh = this.#pieces[kind].add(at, data);
    if (fresh) this.emit(kind, fresh);
  }

  #cut(/** @type {'text'|'reasoning'} */ kind, /** @type {number} */ at) {
    if (this.#pieces[kind].cut(at)) this.emit('reset', kind, at);
  }

  #settle(/** @type {'text'|'reasoning'} */ kind, /** @type {string} */ whole) {
    const same = this.#pieces[kind].become(whole);
    this.#cut(kind, same);
    this.#add(kind, same, whole.slice(same));
  }

  #over(/** @type {State} */ state, /** @type {any} */ said) {
    if (said.partial) this.partial = true;
    if (said.stored === false) this.stored = false;
    this.#expected = { text: 0, reasoning: 0 };
    this.#stale = this.#refill = false;
    if (this.state === state) return;
    this.state = state;
    this.emit('end');
  }
}

function number(/** @type {any} */ value, otherwise = 0) {
  return typeof value === 'number' ? value : otherwise;
}

/** How much of what we have is the beginning of what there is; `more` of that is to come. */
function common(/** @type {string} */ ours, /** @type {string} */ theirs, /** @type {boolean} */ more) {
  let same = 0;
  const most = Math.min(ours.length, theirs.length);
  while (same < most && ours[same] === theirs[same]) same += 1;
  return more && same === theirs.length ? Math.min(ours.length, same) : same;
}
