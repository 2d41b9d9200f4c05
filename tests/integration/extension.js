'use strict';
// A stand-in of the reference extension, packet for packet what was captured of it (contract 2.2, 2.3, 5.6, H10-H12).
// Its oddities are kept on purpose: two probing engines, CONNECT of /sillytavern before the DISCONNECT of /function_call, a
// doubled LLM_REQUEST listener, an event named null 0.6 s after each loss and a disconnect of its own 3.6 s after it, a new
// streamId per token, texts cut by UTF-16 code unit, no end-of-output packet. `answer` chooses what it replies to requests.
//
// By hand: node extension.js http://127.0.0.1:4000 8000

const { randomUUID } = require('node:crypto');
const { Manager } = require('socket.io-client');

const PROBE_DESC = '这是一个SillyTaven扩展';
const NUM_STREAMS = 5;
const NULL_EVENT_AFTER = 600;
const LEAVE_AFTER = 3600;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// One delta in five pieces by code unit: an emoji may end up in two packets, a short delta leaves empty ones.
function pieces(text) {
  const size = Math.max(1, Math.ceil(text.length / NUM_STREAMS));
  return Array.from({ length: NUM_STREAMS }, (_, i) => text.slice(i * size, (i + 1) * size));
}

class ReferenceExtension {
  // `declares`: more members of its handshake on /llm; the reference one has none.
  constructor({ url, port = '8000', options = {}, declares = {}, answer = { kind: 'tokens', tokens: ['ok'] }, onEngine, onSocket, onNote }) {
    this.url = url;
    this.clientId = `SillyTavern-${port}`;
    this.desc = `本客户端是扩展端，运行于 ${port} 端口`;
    this.options = options;
    this.declares = declares;
    this.answer = answer;
    this.onEngine = onEngine ?? (() => {});
    this.onSocket = onSocket ?? (() => {});
    this.note = onNote ?? (() => {});
    this.managers = new Map();
    this.timers = new Set();
    this.generating = false;
    this.key = null;
    this.networkSafe = null;
  }

  // The whole choreography of contract 2.3; rejects where the real one would show an exception or stay offline.
  async start() {
    const probe = this.open('E1', '/function_call', { desc: PROBE_DESC }, 'probe');
    const safe = this.open('E2', '/function_call', { desc: PROBE_DESC }, 'safe');
    const loadedSafe = this.readJson(safe, 'loadNetworkSafeSetting', './settings/server_settings.json').then((response) => {
      if (response.success) this.networkSafe = response.result.networkSafe;
      safe.disconnect();
    });
    const response = await this.readJson(probe, 'checkRememberMe', `./settings/${this.clientId}-settings.json`);
    if (!response.success) throw new Error('the connect form is shown');
    this.rememberMe = response.result.result.Remember_me; // no null checks, as in the original
    const identity = this.open('E1', '/sillytavern', { desc: this.desc, key: 'getKey' }, 'sillytavern');
    probe.disconnect();
    const ack = await this.ask(identity, 'IDENTIFY_SILLYTAVERN', { clientId: this.clientId });
    if ((ack.status !== 'ok' && ack.status !== 'warning') || !ack.key) throw new Error(`not identified: ${JSON.stringify(ack)}`);
    this.key = ack.key;
    identity.disconnect();
    const [keys, clients, settings] = await this.connectMain();
    await loadedSafe;
    return { key: this.key, status: ack.status, networkSafe: this.networkSafe ?? null, keys, clients, settings };
  }

  // Only the part that takes requests: for tests of what comes later.
  async startQuickly() {
    const llm = this.open('E3', '/llm', { desc: this.desc }, 'llm');
    this.listen(llm);
    await new Promise((resolve, reject) => {
      llm.once('connect', resolve);
      llm.once('connect_error', reject);
    });
    return {};
  }

  connectMain() {
    const auth = { desc: this.desc, key: this.key };
    const llm = this.open('E3', '/llm', auth, 'llm');
    this.listen(llm);
    return new Promise((resolve, reject) => {
      llm.once('connect', () => {
        this.open('E3', '/auth', auth, 'auth');
        const calls = this.open('E4', '/function_call', auth, 'function_call');
        const rooms = this.open('E3', '/clients', auth, 'clients');
        const clients = this.open('E5', '/clients', auth, 'clients2');
        calls.on('FUNCTION_CALL', (call, reply) => this.onFunctionCall(call, reply));
        Promise.all([
          this.ask(clients, 'GET_ALL_CLIENT_KEYS', {}),
          this.ask(rooms, 'UPDATE_CONNECTED_CLIENTS', {}),
          this.readJson(calls, 'loadSettings', `./settings/${this.clientId}-settings.json`),
        ]).then(resolve, reject);
      });
    });
  }

  stop() {
    for (const timer of this.timers) clearTimeout(timer);
    this.stopped = true;
    for (const manager of this.managers.values()) {
      manager.reconnection(false);
      for (const socket of Object.values(manager.nsps)) socket.disconnect();
      manager._close();
    }
  }

  // The process is gone: connections break, nobody says goodbye, nobody comes back.
  die() {
    for (const timer of this.timers) clearTimeout(timer);
    this.stopped = true;
    for (const manager of this.managers.values()) {
      manager.reconnection(false);
      if (manager.engine?.transport?.ws) manager.engine.transport.ws.terminate();
      else manager._close();
    }
  }

  open(engine, namespace, auth, label) {
    let manager = this.managers.get(engine);
    if (!manager) {
      manager = new Manager(this.url, { forceNew: true, reconnectionAttempts: 10, ...this.options });
      this.managers.set(engine, manager);
      this.onEngine(manager, engine);
    }
    const declared = namespace === '/llm' ? this.declares : {};
    const socket = manager.socket(namespace, { auth: { clientType: 'SillyTavern', clientId: this.clientId, ...auth, ...declared } });
    this.onSocket(socket, label);
    socket.on('disconnect', () => this.cleanUpLater(socket));
    return socket;
  }

  cleanUpLater(socket) {
    if (this.stopped) return;
    const later = (milliseconds, action) => {
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        action();
      }, milliseconds);
      this.timers.add(timer);
    };
    later(NULL_EVENT_AFTER, () => {
      socket.emit(null, { clientId: this.clientId, clientType: 'SillyTavern', reason: 'client_side_cleanup' });
      this.note('@null-event', socket.connected);
    });
    later(LEAVE_AFTER, () => {
      socket.disconnect();
      this.note('@left', socket.nsp);
    });
  }

  ask(socket, event, payload) {
    return new Promise((resolve, reject) => {
      socket.timeout(60000).emit(event, payload, (error, reply) => (error ? reject(new Error(`${event} was not acked`)) : resolve(reply)));
    });
  }

  readJson(socket, requestId, path) {
    return this.ask(socket, 'FUNCTION_CALL', { requestId, target: 'server', functionName: 'readJsonFromFile', args: [path] });
  }

  listen(llm) {
    this.llm = llm;
    const listener = (request) => this.onRequest(request).catch((error) => this.note('@failed', String(error.stack)));
    llm.on('connect', () => {
      llm.on('LLM_REQUEST', listener);
      llm.on('LLM_REQUEST', listener);
    });
  }

  onFunctionCall({ requestId, functionName, target }, reply) {
    if (target !== this.clientId) return;
    if (functionName === 'myFunction1') reply({ requestId, success: true, result: { result: 'Hello from myFunction1' } });
    else reply({ requestId, success: false, error: { message: `Function "${functionName}" not found.` } });
  }

  async onRequest(request) {
    const { kind } = this.answer;
    if (request.target !== this.clientId) return;
    if (kind === 'error') {
      const { message = '生成文本时出错', error = 'Got response status 500' } = this.answer;
      this.llm.emit('ERROR', { type: 'ERROR', message, error, requestId: request.requestId });
      return;
    }
    if (kind === 'silent' || this.generating) return;
    this.generating = true;
    await pause(0); // a model takes its time; the doubled listener comes too early
    const echo = this.answer.echo ? [request.message] : []; // so that who reads the answer knows the question
    try {
      if (kind === 'tokens') await this.streamTokens([...this.answer.tokens, ...echo], { ...this.answer, live: request.requestId });
      if (kind === 'docs') await this.streamDocs(this.answer.chunks, request.requestId, this.answer);
      if (kind === 'message') this.sendMessage([this.answer.text, ...echo].join(''));
    } finally {
      this.generating = false;
    }
  }

  // `knowsRequest`: whether requestId is on the wire; `final`: say that it is the end, as the reference never does; `dieAfter`: tokens before the process dies; `gap`: ms between tokens.
  async streamTokens(tokens, { outputId = randomUUID(), live, knowsRequest = false, final = false, gap = 0, dieAfter = -1, resumed = false } = {}) {
    this.outputId = outputId;
    const request = knowsRequest && live ? { requestId: live } : {};
    this.note('@output', outputId);
    for (const [index, token] of tokens.entries()) {
      if (index === dieAfter) this.die();
      if (this.stopped) return outputId;
      this.streamToken(token, outputId, request, index === 0 && !resumed, final && index === tokens.length - 1 ? { final } : {});
      if (gap && index < tokens.length - 1) await pause(gap);
    }
    this.note('@answered', outputId);
    return outputId;
  }

  streamToken(token, outputId, request, first, end) {
    const streamId = randomUUID();
    const target = { ...request, target: 'server' };
    this.llm.emit('CLIENT_STREAM_START', { type: 1, streamId, outputId, numStreams: NUM_STREAMS, ...target });
    pieces(token).forEach((data, chunkIndex) => {
      const [event, type] =
        chunkIndex === 0 && first
          ? ['CLIENT_STREAM_DATA_FIRST', 4]
          : chunkIndex === NUM_STREAMS - 1
            ? ['CLIENT_STREAM_DATA_LAST', 6]
            : ['CLIENT_STREAM_DATA_MIDDLE', 5];
      this.llm.emit(event, { type, streamId, outputId, chunkIndex, data, ...target });
    });
    this.llm.emit('CLIENT_STREAM_END', { type: 3, streamId, outputId, ...target, ...end });
  }

  // What the published documentation tells extension authors: one stream per answer. `prefix` '' gives the names of its tables;
  // `stamped`: every chunk is the time of its sending (performance.now()), for who measures latency.
  async streamDocs(chunks, requestId, { prefix = 'CLIENT_', gap = 0, stamped = false, outputId = randomUUID() } = {}) {
    const streamId = randomUUID();
    const common = { streamId, outputId, requestId, target: 'server' };
    this.note('@output', outputId);
    this.llm.emit(`${prefix}STREAM_START`, { type: 1, numStreams: chunks.length, ...common });
    for (const [chunkIndex, chunk] of chunks.entries()) {
      if (this.stopped) return;
      const data = stamped ? `${performance.now()} ` : chunk;
      const place = chunkIndex === 0 ? ['FIRST', 4] : chunkIndex === chunks.length - 1 ? ['LAST', 6] : ['MIDDLE', 5];
      this.llm.emit(`${prefix}STREAM_DATA_${place[0]}`, { type: place[1], chunkIndex, data, ...common });
      if (gap) await pause(gap);
    }
    this.llm.emit(`${prefix}STREAM_END`, { type: 3, ...common });
    this.note('@answered', outputId);
  }

  // The original mixes up its arguments: the requestId of a whole answer is a fresh one.
  sendMessage(data) {
    this.llm.emit('message', { type: 0, data, source: 'client', requestId: randomUUID(), outputId: randomUUID() });
  }
}

module.exports = { ReferenceExtension };

if (require.main === module) {
  const [url = 'http://127.0.0.1:4000', port = '8000'] = process.argv.slice(2);
  const tokens = 'Hello from the stand-in 😀, token by token.'.split(/(?<=\s)/);
  const extension = new ReferenceExtension({ url, port, answer: { kind: 'tokens', tokens, gap: 100 } });
  extension.start().then(
    () => process.stdout.write(`${extension.clientId} is connected\n`),
    (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    },
  );
}
