// @ts-check
import { delayBefore } from './delays.js';
import { Emitter } from './emitter.js';
import { Failure } from './failure.js';

const ACK_MS = 15_000;
const REFUSALS = new Set([5, 6]); // errorCode: authentication failed, not authorised (contract 1.9)

/** @typedef {'connecting' | 'connected' | 'reconnecting' | 'refused' | 'replaced' | 'closed'} State */

/**
 * @typedef {object} World what a line needs of the machine it runs on; tests give another one
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now milliseconds, never running backwards
 * @property {() => number} random 0 to 1
 * @property {() => string} uuid
 * @property {(told: () => void) => () => void} onAwake calls `told` when the network or the page is back
 */

/** @type {World} */
export const world = {
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => performance.now(),
  random: () => Math.random(),
  uuid,
  onAwake,
};

/**
 * One connection to a hub: one engine, one main namespace and others as they are needed. It comes back by itself for
 * ever, until it is closed or the hub refuses us, also when it could not be reached yet.
 *
 * `state` is 'connecting', 'connected' (the hub has let us in), 'reconnecting', 'refused', 'replaced' or 'closed';
 * each change is told as 'state' {state, message, code?}. 'up' follows each time that the hub let us in, 'down' each
 * time that the line went, 'transport' (name) when it begins to go another way. 'ERROR' and 'WARNING' of any namespace are
 * told as 'problem' and 'warning' (body, namespace).
 */
export class Line extends Emitter {
  /**
   * @param {object} given
   * @param {Function} given.io socket.io-client's `io`
   * @param {string} given.url of the hub, as `http://localhost:4000`; '' is the page's own
   * @param {string} given.main the namespace that has to be open
   * @param {(namespace: string) => object} given.handshake what is said when a namespace is joined
   * @param {(line: Line) => Promise<void>} given.greet asks the hub something: what answers, has let us in
   * @param {object} [given.options] of socket.io-client, as `{path, transports}`
   * @param {World} [given.world]
   */
  constructor({ io, url, main, handshake, greet, options = {}, world: machine = world }) {
    super();
    this.world = machine;
    this.main = main;
    this.state = /** @type {State} */ ('connecting');
    /** @type {Failure | null} why there is no line and will not be one */
    this.refusal = null;
    /** @type {Map<string, {socket: any, error: any}>} */
    this.sockets = new Map();
    this.handshake = handshake;
    this.greet = greet;
    this.attempt = 0;
    this.entered = false; // once
    this.downSince = machine.now();
    this.timer = null;
    /** @type {Set<any>} */
    this.timers = new Set();
    /** @type {Set<(failure: Failure) => void>} */
    this.pending = new Set();
    /** @type {Set<(failure: Failure | null) => void>} */
    this.waiters = new Set();
    if (typeof io !== 'function') throw new TypeError('Give io, which is socket.io-client\'s.');
    const base = url.replace(/\/+$/, '');
    const socket = io(base + main, {
      ...options,
      forceNew: true,
      reconnection: false,
      autoConnect: false,
      auth: (/** @type {Function} */ tell) => tell(handshake(main)),
    });
    this.manager = socket.io;
    this.#follow(main, socket);
    this.forget = machine.onAwake(() => this.wake());
    socket.connect();
  }

  /** Tells of each event of a namespace: `heard(payload, ack?)`. */
  hear(/** @type {string} */ namespace, /** @type {string} */ event, /** @type {Function} */ heard) {
    this.#socket(namespace).on(event, heard);
  }

  /** Resolves when the hub has let us in; rejects when it will not, or has not after `timeoutMs`. */
  async up(timeoutMs = Infinity) {
    if (this.state === 'connected') return;
    if (this.refusal) throw this.refusal;
    await new Promise((resolve, reject) => {
      const waiter = (/** @type {Failure | null} */ failure) => {
        this.world.clearTimeout(timer);
        this.waiters.delete(waiter);
        if (failure) reject(failure);
        else resolve(undefined);
      };
      const late = () => waiter(new Failure('The hub cannot be reached.', { code: 'timeout' }));
      const timer = timeoutMs === Infinity ? null : this.world.setTimeout(late, timeoutMs);
      this.waiters.add(waiter);
    });
  }

  /**
   * Ask the hub, and wait for its answer; for the line first, if it is down.
   * @param {string} namespace
   * @param {string} event
   * @param {any} [payload]
   * @param {{timeoutMs?: number}} [how]
   * @returns {Promise<any>} the ack; a refusal rejects with a Failure
   */
  async call(namespace, event, payload = {}, { timeoutMs = ACK_MS } = {}) {
    await this.up(timeoutMs);
    return this.ask(namespace, event, payload, timeoutMs);
  }

  /**
   * Ask the hub on a line that is there, or is just being opened.
   * @param {string} namespace
   * @param {string} event
   * @param {any} payload
   * @param {number} [timeoutMs]
   * @param {(body: any) => void} [heard] is told of the ack before anything that the hub says after it
   * @returns {Promise<any>}
   */
  async ask(namespace, event, payload, timeoutMs = ACK_MS, heard = undefined) {
    const socket = this.#socket(namespace);
    if (!socket.active) socket.connect();
    return new Promise((resolve, reject) => {
      const settle = (/** @type {Failure | null} */ failure, /** @type {any} */ body) => {
        this.world.clearTimeout(timer);
        this.pending.delete(cut);
        socket.off('connect', begin);
        socket.off('disconnect', gone);
        if (failure) reject(failure);
        else resolve(body);
      };
      const cut = (/** @type {Failure} */ failure) => settle(failure, null);
      const gone = () => settle(this.#refusalOf(namespace) ?? new Failure('The line was cut.', { code: 'disconnected' }), null);
      const begin = () => {
        socket.emit(event, payload, (/** @type {any} */ body) => {
          if (body?.success === false || body?.status === 'error') {
            settle(Failure.of(body), null);
            return;
          }
          heard?.(body);
          settle(null, body);
        });
      };
      const timer = this.world.setTimeout(() => {
        settle(new Failure('The hub did not answer in time.', { code: 'timeout' }), null);
      }, timeoutMs);
      this.pending.add(cut);
      socket.on('disconnect', gone);
      if (socket.connected) begin();
      else socket.on('connect', begin);
    });
  }

  /** Say something without waiting; false when the line is down, and nothing was said. */
  say(/** @type {string} */ namespace, /** @type {string} */ event, /** @type {any} */ payload) {
    const socket = this.#socket(namespace);
    if (!socket.connected || this.state !== 'connected') return false;
    socket.emit(event, payload);
    return true;
  }

  /** Do something later, unless the line is closed before: what waits keeps no process alive. */
  later(/** @type {number} */ ms, /** @type {() => void} */ run) {
    if (this.state === 'closed') return;
    const timer = this.world.setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  /** Try now: the network or the page is back, or a person asks. A line that looks open is tried, too. */
  wake() {
    if (this.state === 'connected') {
      this.greet(this).catch((failure) => {
        if (failure.code === 'timeout') this.cut();
      });
    } else if (this.timer !== null) {
      this.#connect();
    }
  }

  /** Begin again after a refusal, with what the handshake says now. */
  retry() {
    if (this.state === 'closed') return;
    if (!this.refusal) {
      this.wake();
      return;
    }
    this.refusal = null;
    this.attempt = 0;
    this.downSince = this.world.now();
    this.#become('connecting');
    this.#connect();
  }

  /** End the transport, and come back as after any loss. */
  cut() {
    this.manager.disconnect(); // not the engine's close(), which waits for what it cannot get rid of
  }

  close() {
    if (this.state === 'closed') return;
    this.forget();
    for (const timer of this.timers) this.world.clearTimeout(timer);
    this.timers.clear();
    this.#end('closed', new Failure('The client was closed.', { code: 'closed' }));
  }

  // ---- inside

  #socket(/** @type {string} */ namespace) {
    const known = this.sockets.get(namespace);
    return known ? known.socket : this.#follow(namespace, this.manager.socket(namespace, {
      auth: (/** @type {Function} */ tell) => tell(this.handshake(namespace)),
    }));
  }

  #follow(/** @type {string} */ namespace, /** @type {any} */ socket) {
    const entry = { socket, error: null };
    this.sockets.set(namespace, entry);
    socket.on('connect', () => {
      entry.error = null;
      if (namespace === this.main) this.#joined();
    });
    socket.on('ERROR', (/** @type {any} */ body) => {
      if (body && body.requestId === undefined) entry.error = body;
      this.emit('problem', body ?? {}, namespace);
    });
    socket.on('WARNING', (/** @type {any} */ body) => this.emit('warning', body ?? {}, namespace));
    socket.on('disconnect', (/** @type {string} */ reason) => {
      if (namespace === this.main && this.state !== 'closed') this.#left(reason);
    });
    socket.on('connect_error', (/** @type {Error} */ error) => {
      if (namespace === this.main && this.state !== 'closed') this.#later(wordsOf(error));
    });
    return socket;
  }

  async #joined() {
    if (this.state === 'reconnecting' && !this.entered) this.#become('connecting'); // it is there, and has not let us in yet
    try {
      await this.greet(this);
    } catch (error) {
      const failure = /** @type {Failure} */ (error);
      if (failure.code === 'timeout') this.cut();
      else if (!failure.lost && !this.refusal) this.#end('refused', failure);
      return; // what cut it has told how it goes on
    }
    if (!this.#mainSocket.connected || this.state === 'closed') return;
    this.attempt = 0;
    this.entered = true;
    this.#become('connected');
    this.manager.engine?.once?.('upgrade', () => this.emit('transport', this.transport));
    for (const { socket } of this.sockets.values()) if (!socket.active) socket.connect();
    for (const waiter of [...this.waiters]) waiter(null);
    this.emit('up');
  }

  /** Of the engine, as it is called there; '' while the line is down. */
  get transport() {
    return this.state === 'connected' ? (this.manager.engine?.transport?.name ?? '') : '';
  }

  /** Whether the hub is there, though it may not have let us in yet. */
  get open() {
    return this.#mainSocket.connected;
  }

  get #mainSocket() {
    return /** @type {{socket: any}} */ (this.sockets.get(this.main)).socket;
  }

  #left(/** @type {string} */ reason) {
    for (const [namespace, { socket }] of this.sockets) if (namespace !== this.main) socket.disconnect();
    const failure = reason === 'io server disconnect' ? this.#refusalOf(this.main) : null;
    if (this.state === 'connected') this.emit('down', reason);
    if (failure) {
      this.#end(failure.word === 'REPLACED' ? 'replaced' : 'refused', failure);
      return;
    }
    if (this.state !== 'reconnecting') this.downSince = this.world.now();
    this.#later('');
  }

  /** The refusal that a namespace was closed with, if it was one that lasts. */
  #refusalOf(/** @type {string} */ namespace) {
    const body = this.sockets.get(namespace)?.error;
    return body && (REFUSALS.has(body.errorCode) || body.code === 'REPLACED') ? Failure.of(body) : null;
  }

  #end(/** @type {State} */ state, /** @type {Failure} */ failure) {
    this.refusal = failure;
    this.world.clearTimeout(this.timer);
    this.timer = null;
    this.#become(state, failure.message, failure.code);
    for (const cut of [...this.pending]) cut(failure); // before they hear that the line was cut
    for (const { socket } of this.sockets.values()) socket.disconnect();
    for (const waiter of [...this.waiters]) waiter(failure);
  }

  #later(/** @type {string} */ message) {
    if (this.timer !== null || this.refusal) return;
    this.#become('reconnecting', message);
    const delay = delayBefore(this.attempt, this.world.now() - this.downSince, this.world.random());
    this.attempt += 1;
    this.timer = this.world.setTimeout(() => this.#connect(), delay);
  }

  #connect() {
    this.world.clearTimeout(this.timer);
    this.timer = null;
    const socket = this.#mainSocket;
    if (socket.connected) return;
    // A namespace that waits for its engine is told to open that one; one that left altogether joins again with it.
    if (socket.active) this.manager.open();
    else socket.connect();
  }

  #become(/** @type {State} */ state, message = '', /** @type {any} */ code = undefined) {
    this.state = state;
    this.emit('state', { state, message, ...(code === undefined ? {} : { code }) });
  }
}

/** Of what the engine says, nothing is for people: 'xhr poll error'. */
function wordsOf(/** @type {any} */ error) {
  return error?.type === 'TransportError' || error?.message === 'timeout' ? 'The hub cannot be reached.' : String(error?.message ?? error);
}

/** Without a secure context a browser has no randomUUID: SillyTavern on a LAN, say. */
function uuid() {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function onAwake(/** @type {() => void} */ told) {
  const page = /** @type {any} */ (globalThis);
  if (typeof page.addEventListener !== 'function' || typeof page.document === 'undefined') return () => {};
  const seen = () => {
    if (page.document.visibilityState === 'visible') told();
  };
  page.addEventListener('online', told);
  page.document.addEventListener('visibilitychange', seen);
  return () => {
    page.removeEventListener('online', told);
    page.document.removeEventListener('visibilitychange', seen);
  };
}
