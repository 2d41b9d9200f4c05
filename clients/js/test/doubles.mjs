// A clock and a hub to test with: packets are kept in order on each line, and a cut loses those that are on their way.

/** Timers of a time that stands still. */
export class FakeWorld {
  constructor(random = () => 0.5) {
    this.time = 0;
    this.timers = new Map();
    this.count = 0;
    this.random = random;
    this.awake = new Set();
  }
  setTimeout = (run, ms) => {
    this.count += 1;
    this.timers.set(this.count, { run, at: this.time + ms });
    return this.count;
  };
  clearTimeout = (timer) => this.timers.delete(timer);
  now = () => this.time;
  uuid = () => `id-${(this.count += 1)}`;
  onAwake = (told) => {
    this.awake.add(told);
    return () => this.awake.delete(told);
  };

  /** Let time pass, and everything happen that is due. */
  async pass(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [id, timer] = [...this.timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.timers.delete(id);
      this.time = timer.at;
      timer.run();
    }
    this.time = end;
    await settle();
  }
}

export const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

class FakeSocket {
  constructor(manager, namespace, options) {
    Object.assign(this, { io: manager, namespace, options, connected: false, active: false, listeners: new Map(), said: [] });
  }
  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
    return this;
  }
  off(event, listener) {
    this.listeners.set(event, (this.listeners.get(event) ?? []).filter((other) => other !== listener));
  }
  tell(event, ...args) {
    for (const listener of this.listeners.get(event) ?? []) listener(...args);
  }
  connect() {
    this.active = true;
    this.io.open();
    if (this.io.line) this.io.line.join(this);
    return this;
  }
  disconnect() {
    const was = this.connected;
    this.active = this.connected = false;
    if (was) this.tell('disconnect', 'io client disconnect');
  }
  emit(event, payload, ack) {
    if (this.connected) this.io.line.up(this, event, structuredClone(payload), ack);
  }
}

/** Which transport it is, and that it is another one. */
class FakeEngine {
  transport = { name: 'polling' };
  #heard = [];
  once(event, heard) {
    this.#heard.push([event, heard]);
  }
  tell(event) {
    const heard = this.#heard.filter(([name]) => name === event);
    this.#heard = this.#heard.filter(([name]) => name !== event);
    for (const [, told] of heard) told();
  }
}

/** What socket.io calls a manager: one engine of one client. */
class FakeManager {
  constructor(hub) {
    this.hub = hub;
    this.sockets = new Map();
    this.line = null;
    this.opening = false;
    this.engine = null;
  }
  socket(namespace, options) {
    const socket = new FakeSocket(this, namespace, options);
    this.sockets.set(namespace, socket);
    return socket;
  }
  open() {
    if (this.line || this.opening) return;
    this.opening = true;
    queueMicrotask(() => {
      this.opening = false;
      if (this.hub.down) {
        for (const socket of this.sockets.values()) if (socket.active) socket.tell('connect_error', new Error('refused'));
        return;
      }
      this.line = new FakeLine(this, this.hub);
      this.engine = new FakeEngine();
      this.hub.lines.add(this.line);
      for (const socket of this.sockets.values()) if (socket.active) this.line.join(socket);
    });
  }
  disconnect() {
    this.line?.cut('forced close');
  }
}

class FakeLine {
  constructor(manager, hub) {
    Object.assign(this, { manager, hub, dead: false, queue: [], running: false });
  }
  /** What happens later, in order; nothing of it once the line is cut. */
  later(run) {
    this.queue.push(run);
    if (this.running) return;
    this.running = true;
    queueMicrotask(() => this.run());
  }
  run() {
    const next = this.dead ? undefined : this.queue.shift();
    if (!next) {
      this.running = false;
      return;
    }
    next();
    queueMicrotask(() => this.run());
  }
  join(socket) {
    socket.options.auth((auth) => this.later(() => {
      socket.auth = auth;
      if (!socket.active) return;
      socket.connected = true;
      socket.tell('connect');
      this.hub.joined(socket, (event, ...args) => this.down(socket, event, ...args), (body) => {
        this.down(socket, 'ERROR', body);
        this.later(() => {
          socket.active = socket.connected = false;
          socket.tell('disconnect', 'io server disconnect');
          this.cut('forced close');
        });
      });
    }));
  }
  up(socket, event, payload, ack) {
    socket.said.push([event, payload]);
    this.later(() => {
      const body = this.hub.hear(socket, event, payload);
      if (ack && body !== undefined) this.later(() => ack(structuredClone(body)));
    });
  }
  down(socket, event, ...args) {
    this.later(() => socket.connected && socket.tell(event, ...structuredClone(args)));
  }
  cut(reason = 'transport close') {
    if (this.dead) return;
    this.dead = true;
    this.hub.lines.delete(this);
    this.manager.line = null;
    for (const socket of this.manager.sockets.values()) {
      const was = socket.connected;
      socket.connected = false;
      if (was) socket.tell('disconnect', reason);
    }
  }
}

/** A hub that keeps outputs, with one room; `answers[event](payload, socket)` says what it acks. */
export class FakeHub {
  constructor({ resumes = true, refuses = null } = {}) {
    Object.assign(this, { resumes, refuses, lines: new Set(), readers: new Map(), outputs: new Map(), epoch: 'e1', down: false });
    this.messages = [];
    this.most = { outputs: 64, requests: 64 }; // in one RESUME_OUTPUTS
    this.requests = null; // by their ids, where they stand, of a hub that says so
    this.answers = {
      GET_MESSAGES: () => ({ status: 'ok', success: true, messages: this.messages, hasMore: false, seq: this.messages.length }),
      LLM_REQUEST: ({ requestId }) => ({ status: 'ok', success: true, requestId, messageId: `q-${requestId}`, state: 'forwarded' }),
    };
    this.io = (url, options) => {
      const manager = new FakeManager(this);
      this.manager = manager;
      const socket = manager.socket(new URL(url).pathname, options);
      socket.io = manager;
      return socket;
    };
  }
  joined(socket, tell, refuse) {
    if (this.refuses) {
      refuse(this.refuses);
      return;
    }
    this.readers.set(socket, tell);
    if (this.resumes) for (const output of this.outputs.values()) if (output.state === 'live') tell('SERVER_STREAM_START', this.start(output));
  }
  hear(socket, event, payload) {
    if (this.refuses) return undefined;
    if (event === 'RESUME_OUTPUTS') return this.resumes ? this.resume(payload) : undefined;
    return this.answers[event]?.(payload, socket);
  }
  tell(event, payload) {
    for (const [socket, tell] of this.readers) if (socket.connected) tell(event, payload);
  }
  cut() {
    for (const line of [...this.lines]) line.cut();
  }

  // ---- outputs

  start(output) {
    const { outputId, requestId, text, rev, identity, requester = 'me' } = output;
    return { type: 1, outputId, requestId, requester, ...(identity ? { identity } : {}), roomName: 'me', at: text.length, rev, epoch: this.epoch };
  }
  begin(outputId, requestId, whose = {}) {
    const output = { outputId, requestId, ...whose, text: '', reasoning: '', rev: 0, state: 'live', chunks: 0 };
    this.outputs.set(outputId, output);
    if (this.resumes) this.tell('SERVER_STREAM_START', this.start(output));
    return output;
  }
  grow(output, data, kind = 'text') {
    const at = output[kind].length;
    output[kind] += data;
    const places = this.resumes ? { at, kind } : { chunkIndex: output.chunks++ };
    this.tell('SERVER_STREAM_DATA', { type: 2, outputId: output.outputId, requestId: output.requestId, roomName: 'me', data, ...places });
  }
  reset(output, at, kind = 'text') {
    output[kind] = output[kind].slice(0, at);
    output.rev += 1;
    this.tell('SERVER_STREAM_RESET', { outputId: output.outputId, requestId: output.requestId, roomName: 'me', kind, at, rev: output.rev });
  }
  end(output, state = 'ended') {
    output.state = state;
    const { outputId, requestId, text, reasoning } = output;
    const messageId = `a-${outputId}`;
    this.messages.push({ messageId, outputId, requestId, roomName: 'me', isResponse: true, message: text, reasoning, seq: this.messages.length });
    this.tell('SERVER_STREAM_END', { type: 3, outputId, requestId, roomName: 'me', data: text, reasoning, failed: state === 'failed', messageId });
    this.tell('REQUEST_STATUS_UPDATE', { requestId, status: state === 'failed' ? 'failed' : 'completed' });
  }
  resume({ epoch, outputs, requests }) {
    for (const [of, asked] of [['requests', requests], ['outputs', outputs]]) {
      const [most, message] = [this.most[of], `At most ${this.most[of]} ${of} at once.`];
      if ((asked ?? []).length > most) return { status: 'error', success: false, message, errorCode: 3 };
    }
    const asked = outputs.length ? outputs : [...this.outputs.values()].filter((o) => o.state === 'live').map((o) => ({ outputId: o.outputId, at: 0, rev: 0 }));
    return {
      status: 'ok', success: true, epoch: this.epoch,
      ...(this.requests && requests ? { requests: requests.map((requestId) => ({ requestId, status: 'gone', live: false, ...this.requests[requestId] })) } : {}),
      outputs: asked.map(({ outputId, at = 0, reasoningAt = 0, rev = 0 }) => {
        const output = this.outputs.get(outputId);
        if (!output) return { outputId, state: 'gone' };
        const same = rev === output.rev && (epoch === undefined || epoch === this.epoch);
        const from = same && at <= output.text.length ? at : 0;
        const reasoningFrom = same && reasoningAt <= output.reasoning.length ? reasoningAt : 0;
        return {
          outputId, requestId: output.requestId, roomName: 'me', state: output.state, rev: output.rev, from,
          text: output.text.slice(from), reasoningFrom, reasoning: output.reasoning.slice(reasoningFrom),
        };
      }),
    };
  }
}

/** Numbers that are the same each time. */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
