// @ts-check
import { Emitter } from './emitter.js';

/** @typedef {import('./failure.js').Failure} Failure */

/**
 * What becomes of one question: an async iterable of the tokens of its answer.
 *
 * `text` and `reasoning` are what is there now, `outputs` the parts of the answer where several extensions or characters
 * speak, `state` the last status of the request ('asking' before the hub has it). `done` resolves with this answer when it
 * is over and rejects with a Failure when it failed; so does the iteration, after the text that came.
 *
 * Tells 'text' (piece, output), 'reasoning' (piece, output), 'reset' (kind, at, output), 'output' (output), 'status'
 * (said), 'end' ().
 */
export class Answer extends Emitter {
  /** @type {Set<{cursors: Map<any, number>, wake: () => void}>} */
  #readers = new Set();
  /** @type {Set<import('./output.js').Output>} of which nothing was shown, and nothing will be */
  #void = new Set();
  /** @type {Function} */
  #resolve = () => {};
  /** @type {Function} */
  #reject = () => {};
  #stop;

  /**
   * @param {string} requestId
   * @param {string} room '' is one's own
   * @param {(answer: Answer) => Promise<any>} stop
   */
  constructor(requestId, room, stop) {
    super();
    this.requestId = requestId;
    this.room = room;
    this.questionId = '';
    this.state = 'asking';
    this.waitsFor = /** @type {'' | 'host' | 'turn' | 'extension'} */ ('');
    this.position = 0;
    this.over = false;
    /** @type {Failure | null} */
    this.failure = null;
    /** @type {import('./output.js').Output[]} */
    this.outputs = [];
    this.#stop = stop;
    /** @type {Promise<Answer>} */
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {}); // who iterates needs not look here
  }

  get text() {
    return this.outputs.map((output) => output.text).filter(Boolean).join('\n\n');
  }

  get reasoning() {
    return this.outputs.map((output) => output.reasoning).filter(Boolean).join('\n\n');
  }

  /** The messages that were stored of it. */
  get messageIds() {
    return this.outputs.map((output) => output.messageId).filter(Boolean);
  }

  /** No more of it: the text so far is kept. Resolves with what the hub says. */
  stop() {
    return this.#stop(this);
  }

  async *[Symbol.asyncIterator]() {
    /** @type {Map<any, number>} */
    const cursors = new Map();
    let wake = () => {};
    const reader = { cursors, wake: () => wake() };
    this.#readers.add(reader);
    try {
      for (;;) {
        const woken = new Promise((resolve) => {
          wake = () => resolve(undefined);
        });
        for (const output of this.outputs) {
          const from = cursors.get(output) ?? 0;
          const { text } = output;
          cursors.set(output, text.length);
          if (text.length > from) yield text.slice(from);
        }
        if (this.outputs.some((output) => output.text.length > (cursors.get(output) ?? 0))) continue;
        if (this.failure) throw this.failure;
        if (this.over) return;
        await woken;
      }
    } finally {
      this.#readers.delete(reader);
    }
  }

  // ---- for the hub's side of it

  /** @param {import('./output.js').Output} output */
  join(output) {
    if (this.outputs.includes(output) || this.#void.has(output)) return;
    this.outputs.push(output);
    for (const kind of ['text', 'reasoning']) {
      output.on(kind, (piece) => {
        this.emit(kind, piece, output);
        if (kind === 'text') this.#wake();
      });
    }
    output.on('reset', (kind, at) => {
      if (kind === 'text') {
        for (const { cursors } of this.#readers) cursors.set(output, Math.min(cursors.get(output) ?? 0, at));
      }
      this.emit('reset', kind, at, output);
    });
    this.emit('output', output);
    if (output.reasoning) this.emit('reasoning', output.reasoning, output);
    if (output.text) this.emit('text', output.text, output);
    this.#wake();
  }

  /** @param {any} said an ack of LLM_REQUEST or a REQUEST_STATUS_UPDATE, or a QUEUE_UPDATE */
  status(said) {
    if (this.over) return;
    this.state = said.status && said.status !== 'ok' ? said.status : (said.state ?? this.state);
    this.waitsFor = said.waitsFor ?? (this.state === 'queued' ? this.waitsFor : '');
    this.position = said.position ?? (this.waitsFor ? this.position : 0);
    if (said.questionId ?? said.messageId) this.questionId ||= said.questionId ?? said.messageId;
    this.emit('status', said);
  }

  /**
   * Another extension is asked, for nothing of this one's was shown.
   * @param {string[]} [identities] whose outputs count
   */
  restart(identities = []) {
    for (const output of this.outputs) {
      if (!identities.length || (output.identity && !identities.includes(output.identity))) this.#void.add(output);
    }
    this.outputs = this.outputs.filter((output) => !this.#void.has(output));
  }

  finish() {
    this.#end(null);
  }

  /** @param {Failure} failure */
  fail(failure) {
    this.#end(failure);
  }

  #end(/** @type {Failure | null} */ failure) {
    if (this.over) return;
    this.over = true;
    this.failure = failure;
    if (failure) this.#reject(failure);
    else this.#resolve(this);
    this.emit('end');
    this.#wake();
  }

  #wake() {
    for (const { wake } of this.#readers) wake();
  }
}

