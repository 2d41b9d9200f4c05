'use strict';
// Real Socket.IO clients under remote control. The Python tests (harness.py) write one JSON command a line to stdin; every
// command is answered by one line {id, ok} or {id, error}. Whatever the clients experience is written at once as a record
// {s: socket name, e: event, a: arguments, t: milliseconds}; names beginning with '@' are the library's, not the wire's.
// Bytes travel as {"$bytes": base64}. The driver keeps no history: Python does.

const { Manager } = require('socket.io-client');
const { ReferenceExtension } = require('./extension');
const hubClients = require('./hub_clients');
const obey = require('./obey');

const libraries = {
  node: require('@sap_oss/node-socketio-stream'),
  browser: require('@sap_oss/node-socketio-stream/node-socketio-stream.js'),
};
const engines = new Map();
const sockets = new Map();
const extensions = new Map();

const write = (value) => process.stdout.write(JSON.stringify(value) + '\n');

function outgoing(value) {
  if (typeof value === 'function' || value === undefined) return null;
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(new Uint8Array(value)).toString('base64') };
  if (Array.isArray(value)) return value.map(outgoing);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, outgoing(member)]));
  }
  return value;
}

function incoming(value) {
  if (Array.isArray(value)) return value.map(incoming);
  if (value !== null && typeof value === 'object') {
    if (typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64');
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, incoming(member)]));
  }
  return value;
}

// Long texts shortened to their length: for floods whose contents no test reads.
function brief(value) {
  if (typeof value === 'string' && value.length > 1000) return { $length: value.length };
  if (Buffer.isBuffer(value)) return { $length: value.length };
  if (Array.isArray(value)) return value.length > 50 ? { $length: value.length } : value.map(brief);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, brief(member)]));
  }
  return value;
}

function record(name, event, args = []) {
  write({ s: name, e: event, a: outgoing(args), t: performance.now() });
}

function watchEngine(manager, name) {
  const attach = () => {
    const engine = manager.engine;
    record(name, '@open', [engine.transport.name]);
    engine.on('upgrade', (transport) => record(name, '@upgrade', [transport.name]));
    engine.on('close', (reason) => record(name, '@close', [reason]));
  };
  manager.on('open', attach);
  manager.on('error', (error) => record(name, '@error', [error.message, error.description?.message ?? String(error.context?.status ?? '')]));
  manager.on('ping', () => record(name, '@ping'));
  manager.on('reconnect_attempt', (n) => record(name, '@reconnect_attempt', [n]));
}

function watchSocket(socket, name, { shorten = false, replies = {} } = {}) {
  socket.on('connect', () => record(name, '@connect', [socket.id]));
  socket.on('disconnect', (reason) => record(name, '@disconnect', [reason]));
  socket.on('connect_error', (error) => record(name, '@connect_error', [error.message, error.data ?? null]));
  socket.onAny((event, ...args) => {
    const last = args[args.length - 1];
    const ack = typeof last === 'function' ? args.pop() : null;
    record(name, event, shorten ? brief(args) : args);
    if (ack && Object.hasOwn(replies, event)) ack(...replies[event]);
  });
  sockets.set(name, socket);
}

// The stream library as a reader. `stall`: take the first chunk and never read again, as a hung consumer does.
function readStreams(socket, name, { types, library = 'node', stall = false }) {
  const reader = libraries[library](socket);
  const decode = (chunk) => (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
  for (const type of types) {
    reader.on(type, (stream, meta) => {
      const id = stream.id;
      const chunks = [];
      record(name, '@stream', [type, id, meta]);
      stream.on('error', (error) => record(name, '@stream-error', [id, error.message]));
      if (stall) {
        stream.once('readable', () => record(name, '@stalled', [id]));
        return;
      }
      stream.on('data', (chunk) => {
        chunks.push(decode(chunk));
        record(name, '@chunk', [id, decode(chunk)]);
      });
      stream.on('end', () => record(name, '@end', [id, chunks.join(''), chunks.length]));
    });
  }
}

const find = (map, name) => {
  if (!map.has(name)) throw new Error(`no such name: ${name}`);
  return map.get(name);
};

function closeEngine(name) {
  const manager = find(engines, name);
  manager.reconnection(false);
  for (const socket of Object.values(manager.nsps)) socket.disconnect();
  manager._close();
  engines.delete(name);
}

const scripted = hubClients(record);

const commands = {
  ...scripted.commands,
  engine({ name, url, options = {} }) {
    const manager = new Manager(url, { reconnection: false, forceNew: true, timeout: 10000, ...options });
    watchEngine(manager, name);
    engines.set(name, manager);
  },
  socket({ name, engine, nsp, auth, streams, shorten, replies }) {
    const manager = find(engines, engine);
    const socket = manager.socket(nsp, auth === undefined ? {} : { auth });
    watchSocket(socket, name, { shorten, replies: incoming(replies ?? {}) });
    if (streams) readStreams(socket, name, streams);
  },
  emit({ socket, args }) {
    find(sockets, socket).emit(...incoming(args));
  },
  call({ socket, args, timeout }) {
    return new Promise((resolve, reject) => {
      find(sockets, socket).timeout(timeout).emit(...incoming(args), (error, ...reply) => {
        if (error) reject(new Error(`no ack for ${args[0]} within ${timeout} ms`));
        else resolve(outgoing(reply));
      });
    });
  },
  // An event whose answer is a record '@ack' among those of its socket: before what came later, after what came before.
  ask({ socket, args }) {
    find(sockets, socket).emit(...incoming(args), (...reply) => record(socket, '@ack', [args[0], ...reply]));
  },
  // The same question many times in one turn; how many answers came before the connection ended, or all.
  ask_often({ socket, args, times }) {
    const target = find(sockets, socket);
    return new Promise((resolve) => {
      let answered = 0;
      target.once('disconnect', () => resolve(answered));
      for (let n = 0; n < times; n++) target.emit(...incoming(args), () => ++answered === times && resolve(answered));
    });
  },
  // Many events in order, `gap` milliseconds apart (0: in one turn); answered when the last one is handed over.
  async burst({ socket, packets, gap = 0 }) {
    const target = find(sockets, socket);
    for (const args of packets) {
      target.emit(...incoming(args));
      if (gap) await new Promise((resolve) => setTimeout(resolve, gap));
    }
  },
  disconnect({ socket }) {
    find(sockets, socket).disconnect();
  },
  reconnect({ socket }) {
    find(sockets, socket).connect();
  },
  transport({ engine }) {
    return find(engines, engine).engine.transport.name;
  },
  // The TCP connection dies; the client library finds out by itself.
  kill({ engine }) {
    find(engines, engine).engine.transport.ws.terminate();
  },
  pause({ engine }) {
    find(engines, engine).engine.transport.ws.pause();
  },
  resume({ engine }) {
    find(engines, engine).engine.transport.ws?.resume(); // gone when the client found out by itself
  },
  close({ engine }) {
    closeEngine(engine);
  },
  extension({ name, url, options }) {
    const extension = new ReferenceExtension({
      url,
      ...options,
      onEngine: (manager, label) => {
        engines.set(`${name}:${label}`, manager);
        watchEngine(manager, `${name}:${label}`);
      },
      onSocket: (socket, label) => {
        watchSocket(socket, `${name}:${label}`);
        record(name, '@open', [socket.nsp, socket.auth]);
        socket.onAnyOutgoing((...args) => record(name, '@sent', [socket.nsp, args.filter((arg) => typeof arg !== 'function')]));
      },
      onNote: (event, ...args) => record(name, event, args),
    });
    extensions.set(name, extension);
  },
  async extension_start({ name, quick }) {
    const extension = find(extensions, name);
    return quick ? extension.startQuickly() : extension.start();
  },
  extension_answer({ name, answer }) {
    find(extensions, name).answer = answer;
  },
  async extension_tokens({ name, tokens, options }) {
    return find(extensions, name).streamTokens(tokens, options);
  },
  extension_stop({ name }) {
    find(extensions, name).stop();
    extensions.delete(name);
  },
  reset() {
    scripted.close();
    for (const extension of extensions.values()) extension.stop();
    for (const name of [...engines.keys()]) closeEngine(name);
    extensions.clear();
    sockets.clear();
  },
};

process.on('uncaughtException', (error) => record('@driver', '@uncaught', [String(error.stack)]));
process.on('unhandledRejection', (error) => record('@driver', '@uncaught', [String(error?.stack ?? error)]));

obey(commands, write);
