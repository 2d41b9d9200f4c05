// @ts-check
import { defined } from './defined.js';
import { Emitter } from './emitter.js';
import { Failure } from './failure.js';
import { Line, world } from './line.js';
import { Task } from './task.js';

const LLM = '/llm';
const DOOR = '/sillytavern';
const REFUSED_KEY = 5; // errorCode: authentication failed
const STOP_MS = 4_000; // the hub waits 5 s for the answer to a call
const PAIR_MS = 310_000; // a pairing code is good for 300 s, in which the operator says yes
const STEADY_MS = 30_000; // for so long a key has to be good before another one is asked for by itself
const COULD_NOT = 'The extension could not do that.'; // what it threw is not for those who ask
const UNSURE_MS = 60_000; // what was said before a line is found dead may not have arrived

/**
 * An extension of a hub: what answers.
 *
 * Tells 'request' (Task), 'state' ({state, message, code?}),
 * 'up', 'down', 'problem' and 'warning'. `state` is as that of a client, and 'replaced' when a newer tab serves.
 * A key that is missing or refused is asked for at the door, where a local SillyTavern gets one, or one with a pairing code.
 */
export class Extension extends Emitter {
  /** @type {Map<string, Task>} */
  #tasks = new Map();
  /** @type {Map<string, (said: any) => any>} */
  #calls = new Map();
  #given;
  #key;
  #pair;
  #asked = false; // for a key, since the hub last let us in
  #closed = false;

  /** @param {any} given see `serve` */
  constructor({ key = '', pair = '', ...given }) {
    super();
    this.#given = given;
    this.#key = key;
    this.#pair = pair;
    this.instance = given.instance ?? (given.world ?? world).uuid();
    /** @type {Line} */
    this.line = key && !pair ? this.#serve() : this.#identify();
  }

  get state() {
    return this.line.state;
  }

  get clientId() {
    return this.#given.clientId;
  }

  /** What is being answered. */
  get tasks() {
    return [...this.#tasks.values()].filter((task) => !task.done);
  }

  /** Answer a call of the hub, as LIST_CHARACTERS: what it returns or resolves with, or the Failure that it throws. */
  answer(/** @type {string} */ event, /** @type {(said: any) => any} */ answer) {
    const known = this.#calls.has(event);
    this.#calls.set(event, answer);
    if (!known && this.line.main === LLM) this.#take(this.line, event);
  }

  /** Say something, as CHAT_EVENT; false when the line is down. */
  say(/** @type {string} */ event, /** @type {any} */ payload) {
    return this.line.main === LLM && this.line.say(LLM, event, payload);
  }

  /** Ask the hub something, as SET_CHAT_ROOM. */
  async call(/** @type {string} */ event, payload = {}, { namespace = LLM, timeoutMs = 15_000 } = {}) {
    if (this.line.main !== LLM) throw new Failure('Not connected.', { code: 'disconnected' });
    return this.line.call(namespace, event, payload, { timeoutMs });
  }

  /** Begin again: after a refusal, with another key or a pairing code; after another tab took over; or to try now. */
  retry(/** @type {{key?: string, pair?: string}} */ { key, pair } = {}) {
    if (this.#closed) return;
    if (key !== undefined) this.#key = key;
    if (pair !== undefined) this.#pair = pair;
    this.#asked = false;
    if (pair || !this.#key) this.#change(() => this.#identify());
    else if (this.line.main === DOOR) this.#change(() => this.#serve());
    else this.line.retry();
  }

  /** Who answers a request threw: it has failed, and the others go on. */
  threw(/** @type {any} */ error, /** @type {string} */ name, /** @type {any[]} */ args) {
    if (name !== 'request') {
      super.threw(error, name, args);
      return;
    }
    const [task] = args;
    const { requestId } = task;
    if (task.signal.aborted) task.over(); // it threw because it was stopped
    else task.fail(error instanceof Failure ? error.message : COULD_NOT);
    if (!task.signal.aborted) this.emit('problem', { message: String(error?.message ?? error), requestId }, LLM);
  }

  close() {
    this.#closed = true;
    this.line.close();
    for (const task of [...this.#tasks.values()]) if (!task.done) task.stop('gone', 0);
    this.#tasks.clear();
  }

  // ---- inside

  /** One line goes, another comes; the tasks of the old one stay where they are only if it is theirs. */
  #change(/** @type {() => Line} */ begin) {
    const old = this.line;
    this.line = begin();
    old.close();
    for (const task of [...this.#tasks.values()]) if (task.done) this.#forget(task);
  }

  #identify() {
    const { io, url, clientId, type = 'SillyTavern', name, desc, options, world: machine } = this.#given;
    this.#asked = true;
    const pair = this.#pair;
    /** @type {any} */
    let got = null;
    const line = new Line({
      io, url, options, world: machine, main: DOOR,
      handshake: () => ({ clientId, clientType: type, key: 'getKey', ...defined({ name, desc, pair }) }),
      greet: async (/** @type {Line} */ it) => {
        got = await it.ask(DOOR, 'IDENTIFY_SILLYTAVERN', { clientId, scope: 'extension' }, pair ? PAIR_MS : undefined);
      },
    });
    this.#follow(line, new Set(['connected', 'closed']));
    line.on('up', async () => {
      if (this.line !== line || typeof got?.key !== 'string') return;
      const key = { key: got.key, clientId: got.clientId ?? clientId, scope: got.scope ?? '' };
      try {
        await this.#given.keep?.(key); // once it has been used, nobody comes in without it
      } catch (error) {
        this.emit('problem', { message: `The key could not be kept: ${/** @type {any} */ (error)?.message ?? error}` }, DOOR);
      }
      if (this.line !== line || this.#closed) return;
      this.#key = key.key;
      this.#pair = '';
      this.#change(() => this.#serve());
    });
    return line;
  }

  #serve() {
    const {
      io, url, clientId, identity, name, desc, html, type = 'SillyTavern', features = ['accept', 'cancel', 'resume'],
      capacity = 1, exclusive = false, options, world: machine,
    } = this.#given;
    // RESET is said whenever a text changes, whatever else this extension can do.
    const said = {
      clientId, clientType: type, protocol: 2, features: [...new Set([...features, 'reset'])], capacity, exclusive, instance: this.instance,
      ...defined({ identity, name, desc, html }),
    };
    const line = new Line({
      io, url, options, world: machine, main: LLM,
      handshake: () => ({ ...said, ...defined({ key: this.#key }) }),
      greet: async (/** @type {Line} */ it) => {
        await it.ask(LLM, 'GET_MESSAGES', { limit: 1 }).catch((failure) => {
          if (failure.lost || it.refusal) throw failure; // any other answer is one: we are in
        });
      },
    });
    this.#follow(line, new Set(['closed']));
    line.on('up', () => {
      line.later(STEADY_MS, () => {
        if (this.line === line && line.state === 'connected') this.#asked = false;
      });
      this.emit('up');
      this.#resume();
    });
    line.on('down', (reason) => {
      for (const task of this.#tasks.values()) for (const outlet of task.outlets) outlet.cut();
      this.emit('down', reason);
    });
    line.hear(LLM, 'LLM_REQUEST', (/** @type {any} */ request) => this.#request(line, request));
    line.hear(LLM, 'CANCEL_REQUEST', (/** @type {any} */ cancel, /** @type {any} */ ack) => this.#cancel(cancel, ack));
    for (const event of this.#calls.keys()) this.#take(line, event);
    return line;
  }

  #follow(/** @type {Line} */ line, /** @type {Set<string>} */ silent) {
    line.on('state', (change) => {
      if (this.line !== line && this.line !== undefined) return;
      if (change.state === 'refused' && line.main === LLM && change.code === REFUSED_KEY && !this.#asked && !this.#closed) {
        this.#key = '';
        this.#change(() => this.#identify());
      } else if (!silent.has(change.state) || this.#closed) {
        this.emit('state', change);
      }
    });
    for (const told of ['problem', 'warning']) line.on(told, (...args) => this.emit(told, ...args));
  }

  #take(/** @type {Line} */ line, /** @type {string} */ event) {
    line.hear(LLM, event, async (/** @type {any} */ said, /** @type {any} */ ack) => {
      let body;
      try {
        body = { status: 'ok', success: true, ...(await this.#calls.get(event)?.(said ?? {})) };
      } catch (error) {
        const failure = /** @type {any} */ (error);
        const code = typeof failure?.code === 'number' ? failure.code : 2;
        const message = failure instanceof Failure ? failure.message : COULD_NOT;
        body = { status: 'error', success: false, message, error: { message, code }, errorCode: code };
        if (!(failure instanceof Failure)) this.emit('problem', { message: String(failure?.message ?? failure) }, LLM);
      }
      if (typeof ack === 'function') ack(body);
    });
  }

  #request(/** @type {Line} */ line, /** @type {any} */ said) {
    if (!said || typeof said.requestId !== 'string') return;
    const known = this.#tasks.get(said.requestId);
    if (known && !settled(known)) {
      known.sign(); // asked again after a cut, or by a hub that heard nothing yet
      return;
    }
    const task = new Task(line, said);
    this.#tasks.set(task.requestId, task);
    task.on('over', () => {
      // One that the hub may not have heard the end of stays for a while; nothing else has to.
      const unsure = task.unsaid || (task.outlets.some((outlet) => outlet.unsure) && !task.signal.aborted);
      if (!unsure) this.#tasks.delete(task.requestId);
      else line.later(UNSURE_MS, () => this.#forget(task));
    });
    this.emit('request', task);
  }

  #forget(/** @type {Task} */ task) {
    if (this.#tasks.get(task.requestId) === task) this.#tasks.delete(task.requestId);
  }

  async #cancel(/** @type {any} */ said, /** @type {any} */ ack) {
    const task = this.#tasks.get(said?.requestId);
    const open = task !== undefined && !task.done;
    if (task) {
      await task.stop(typeof said.reason === 'string' ? said.reason : 'cancelled', STOP_MS);
      this.#forget(task);
    }
    if (typeof ack === 'function') ack({ status: 'ok', success: true, state: open ? 'stopped' : 'unknown' });
  }

  /** The line is back: what is being done is said at once, what was said goes on where the hub is. */
  async #resume() {
    await Promise.all([...this.#tasks.values()].map((task) => this.#goOn(task)));
  }

  /** One output after the other, as they were said, then the last word. */
  async #goOn(/** @type {Task} */ task) {
    task.sign();
    for (const outlet of [...task.outlets]) {
      if (!outlet.unsure) continue;
      const { told } = outlet;
      const wanted = await outlet.resume();
      if (this.line.state !== 'connected') return; // at the next return
      if (wanted) continue;
      outlet.drop(); // the hub has all of it, or wants no more
      if (!told && !task.done) task.stop('gone', 0);
    }
    task.conclude();
    if (settled(task)) this.#forget(task);
  }
}

/** All was said of it, as far as one knows here: the hub asks again for what it has not heard. */
function settled(/** @type {Task} */ task) {
  return task.done && !task.unsaid && task.outlets.every((outlet) => !outlet.unsure);
}
