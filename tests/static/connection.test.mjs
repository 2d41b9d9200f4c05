// The line to the hub: states, refusals, what is sent. Run by test_static_modules.py.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';

const { Connection } = await import(`${process.env.STATIC}/connection.js`);

const names = [
  'ERROR', 'WARNING', 'NEW_MESSAGE', 'MESSAGE_UPDATED', 'MESSAGES_DELETED', 'MESSAGES_CLEARED', 'UPDATE_CONTEXT_PAGE',
  'REQUEST_STATUS_UPDATE', 'UPDATE_CONNECTED_CLIENTS', 'GET_SILLYTAVERN_EXTENSION', 'GET_FULL_CONTEXT', 'LLM_REQUEST',
];
const constants = {
  MSG_TYPE: Object.fromEntries(names.map((name) => [name, name])),
  NAMESPACES: { LLM: '/llm', AUTH: '/auth', CLIENTS: '/clients' },
};

/** A socket of socket.io's client as far as Connection uses one; `hear` is the server's side. */
class FakeSocket {
  connected = false;
  active = true;
  connects = 0;
  disconnects = 0;
  sent = [];
  answer = { status: 'ok' };
  #ears = new EventEmitter();

  constructor(options, manager) {
    this.auth = options.auth;
    this.io = manager;
  }

  on(event, react) {
    this.#ears.on(event, react);
  }

  emit(...args) {
    this.sent.push(args);
  }

  timeout() {
    return {
      emitWithAck: async (...args) => {
        this.sent.push(args);
        if (this.answer instanceof Error) throw this.answer;
        return this.answer;
      },
    };
  }

  connect() {
    this.connects += 1;
  }

  disconnect() {
    this.connected = false;
    this.disconnects += 1;
  }

  hear(event, ...args) {
    if (event === 'connect') this.connected = true;
    if (event === 'disconnect') this.connected = false;
    this.#ears.emit(event, ...args);
  }
}

function make(identity = { clientId: 'web-1' }) {
  const manager = Object.assign(new EventEmitter(), { engine: Object.assign(new EventEmitter(), { transport: { name: 'polling' } }) });
  const sockets = {};
  const io = (namespace, options) => (sockets[namespace] = new FakeSocket(options, manager));
  const connection = new Connection(io, constants, identity);
  const told = [];
  for (const type of ['state', 'extensions', 'problem', 'stored', 'streamed', 'ended', 'status', 'page', 'deleted', 'cleared', 'joined', 'left']) {
    connection.addEventListener(type, ({ detail }) => told.push([type, detail]));
  }
  connection.start();
  const state = () => told.filter(([type]) => type === 'state').at(-1)?.[1];
  return { connection, told, state, manager, llm: sockets['/llm'], auth: sockets['/auth'], clients: sockets['/clients'] };
}

const settled = () => new Promise((done) => setImmediate(done));

test('three namespaces are joined with the handshake of contract 2.2 and A9', async () => {
  const { connection, llm, auth, clients } = make();
  llm.hear('connect');
  await connection.askForHistory('web-1');
  for (const socket of [llm, auth, clients]) {
    assert.equal(socket.connects, 1);
    assert.deepEqual(socket.auth, {
      clientType: 'web-app',
      clientId: 'web-1',
      desc: 'newage page',
      streamMode: 'plain',
      sync: 'incremental',
    });
  }
  assert.equal(make({ clientId: 'web-1', key: 'k' }).llm.auth.key, 'k');
});

test('connected, upgraded, cut, back', () => {
  const { connection, state, manager, llm, told } = make();
  llm.hear('connect');
  assert.equal(connection.connected, true);
  assert.equal(state().transport, 'polling');
  manager.engine.emit('upgrade', { name: 'websocket' });
  assert.equal(state().transport, 'websocket');
  llm.hear('disconnect', 'transport close');
  assert.equal(state().state, 'reconnecting');
  manager.emit('reconnect_attempt', 3);
  assert.deepEqual([state().state, state().attempt], ['reconnecting', 3]);
  llm.hear('connect_error', new Error('xhr poll error'));
  assert.equal(state().state, 'reconnecting');
  llm.hear('connect');
  assert.deepEqual([state().state, state().attempt], ['connected', 0]);
  assert.equal(told.filter(([type]) => type === 'joined').length, 2);
});

test('a refusal is told and not hammered against; a retry brings the new key', () => {
  const identity = { clientId: 'web-1' };
  const { state, llm, auth } = make(identity);
  llm.hear('connect');
  llm.hear('ERROR', { type: 'ERROR', message: 'Invalid key.', errorCode: 5 });
  llm.hear('disconnect', 'io server disconnect');
  assert.deepEqual([state().state, state().message], ['refused', 'Invalid key.']);
  assert.equal(llm.connects, 1);
  identity.key = 'right';
  const { connection } = make(identity);
  connection.retry();
  assert.equal(auth.connects, 0);
});

test('a key is shown by one namespace until the hub has let it in', async () => {
  const { connection, llm, auth, clients } = make({ clientId: 'web-1', key: 'wrong' });
  llm.answer = new Error('refused: nothing is answered');
  for (let tries = 0; tries < 3; tries += 1) {
    llm.hear('connect');
    const asked = connection.askForHistory('web-1');
    llm.hear('ERROR', { message: 'Invalid key.', errorCode: 5 });
    llm.hear('disconnect', 'io server disconnect');
    await asked;
    connection.retry();
  }
  assert.deepEqual([auth.connects, clients.connects], [0, 0]);
  llm.answer = { status: 'ok' };
  llm.hear('connect');
  await connection.askForHistory('web-1');
  assert.deepEqual([auth.connects, clients.connects], [1, 1]);
  llm.hear('disconnect', 'transport close');
  assert.deepEqual([auth.disconnects > 0, clients.disconnects > 0], [true, true], 'they wait for it again');
});

test('retry joins with the key that is known then', () => {
  const identity = { clientId: 'web-1' };
  const { connection, llm, state } = make(identity);
  identity.key = 'right';
  connection.retry();
  assert.deepEqual([llm.auth.key, llm.connects, state().state], ['right', 2, 'connecting']);
});

test('a hub that closes the namespace without a refusal is joined again', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { state, llm } = make();
  llm.hear('connect');
  llm.hear('disconnect', 'io server disconnect');
  assert.equal(state().state, 'reconnecting');
  t.mock.timers.tick(1000);
  assert.equal(llm.connects, 2);
  llm.hear('disconnect', 'io server disconnect');
  t.mock.timers.tick(1999);
  assert.equal(llm.connects, 2, 'the second time waits longer');
  t.mock.timers.tick(1);
  assert.equal(llm.connects, 3);
});

test('a namespace the hub does not have is a refusal', () => {
  const { state, llm } = make();
  llm.active = false;
  llm.hear('connect_error', new Error('Invalid namespace'));
  assert.deepEqual([state().state, state().message], ['refused', 'Invalid namespace']);
});

test('errors of a request are problems of that request, warnings are problems', () => {
  const { told, llm, auth } = make();
  llm.hear('connect');
  llm.hear('ERROR', { message: 'Too many requests.', requestId: 'r1', errorCode: 9 });
  llm.hear('WARNING', { message: 'Mind the gap.' });
  llm.hear('ERROR', 7);
  auth.hear('ERROR', { message: 'not told twice' });
  const problems = told.filter(([type]) => type === 'problem').map(([, detail]) => detail);
  assert.deepEqual(problems.map(({ requestId }) => requestId), ['r1', undefined, undefined]);
  assert.deepEqual(problems.slice(0, 2).map(({ message }) => message), ['Too many requests.', 'Mind the gap.']);
});

test('the extensions are asked for on joining and on every push', async () => {
  const { told, auth, clients } = make();
  auth.answer = {
    status: 'ok',
    extensions: ['SillyTavern-1', 'SillyTavern-2'],
    details: [{ identity: 'SillyTavern-1', clientId: 'SillyTavern-1', desc: 'home' }],
  };
  auth.hear('connect');
  await settled();
  assert.deepEqual(told.at(-1), ['extensions', { list: [{ identity: 'SillyTavern-1', desc: 'home' }, { identity: 'SillyTavern-2', desc: '' }] }]);
  auth.answer = { status: 'error', message: 'No connected SillyTavern extensions.', extensions: [] };
  clients.hear('UPDATE_CONNECTED_CLIENTS', { clients: [] });
  await settled();
  assert.deepEqual(told.at(-1), ['extensions', { list: [] }]);
});

test('no answer to the question for extensions changes nothing', async () => {
  const { told, auth, connection } = make();
  await connection.askForExtensions();
  auth.answer = new Error('operation has timed out');
  auth.hear('connect');
  await settled();
  assert.ok(!told.some(([type]) => type === 'extensions'));
  assert.equal(auth.sent.length, 1);
});

test('a question goes out as contract 5.1 wants it', async () => {
  const { connection, llm } = make();
  await connection.ask({ requestId: 'r1', text: 'hi', roomName: 'web-1', target: '' });
  await connection.ask({ requestId: 'r2', text: 'hi', roomName: 'web-1', target: 'SillyTavern-1', again: true });
  assert.deepEqual(llm.sent, [
    ['LLM_REQUEST', { requestId: 'r1', message: 'hi', targetRoom: 'web-1', requestType: 'newMessage', isStreaming: true }],
    [
      'LLM_REQUEST',
      { requestId: 'r2', message: 'hi', targetRoom: 'web-1', requestType: 'regenerateMessage', isStreaming: true, target: 'SillyTavern-1' },
    ],
  ]);
  connection.askForHistory('web-1');
  assert.deepEqual(llm.sent.at(-1), ['GET_FULL_CONTEXT', { roomName: 'web-1' }]);
});

test('the hub’s events pass under the page’s names, and only objects pass', () => {
  const { told, llm } = make();
  llm.hear('SERVER_STREAM_DATA', { data: 'a' });
  llm.hear('SERVER_STREAM_END', { data: 'a' });
  llm.hear('NEW_MESSAGE', { message: {} });
  llm.hear('NEW_MESSAGE', null);
  llm.hear('NEW_MESSAGE', 'text');
  llm.hear('REQUEST_STATUS_UPDATE', {});
  assert.deepEqual(told.map(([type]) => type), ['streamed', 'ended', 'stored', 'status']);
});
