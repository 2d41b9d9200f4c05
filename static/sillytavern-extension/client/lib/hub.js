// @ts-check
import { defined } from './defined.js';
import { Emitter } from './emitter.js';
import { Line } from './line.js';
import { named } from './named.js';
import { Outputs } from './outputs.js';
import { Requests } from './requests.js';

/** @typedef {import('./output.js').Output} Output */

const LLM = '/llm';
const ROOMS = '/rooms';
const AUTH = '/auth';

/** What the hub says of rooms, under the names that it has here. */
const TOLD = {
  NEW_MESSAGE: 'message',
  MESSAGE_UPDATED: 'updated',
  MESSAGES_DELETED: 'deleted',
  MESSAGES_CLEARED: 'cleared',
  RESPONSE_SELECTED: 'selected',
  OFFLINE_MESSAGES: 'missed',
  MEMBER_STATUS_UPDATE: 'presence',
  CHARACTER_CHANGED: 'character',
  ROOM_MODE_CHANGED: 'mode',
};
const TOLD_OF_ROOMS = {
  MEMBER_JOINED: 'joined',
  MEMBER_LEFT: 'left',
  MEMBER_ROLE_CHANGED: 'role',
  DELETE_ROOM: 'room-deleted',
  AVAILABLE_EXTENSIONS: 'extensions',
};

/**
 * A client of a hub.
 *
 * Tells what `Line` tells of the connection ('state', 'up', 'down', 'transport', 'problem', 'warning'), 'output' (Output) for each
 * output of one's rooms, 'status' (said) and 'queue' (said) for each of one's requests, and of the history and the members
 * of rooms what TOLD and TOLD_OF_ROOMS name, with the hub's payload.
 */
export class Hub extends Emitter {
  #outputs = new Outputs(() => this.line, () => this.#requests.waiting);
  /** @type {Requests} */
  #requests;
  #credentials;
  #roomsOpen = false;

  /** @param {any} given see `connect` */
  constructor({ io, url, clientId, identity, key, password, name, desc, type = 'client', options, world }) {
    super();
    this.clientId = clientId;
    this.identity = identity ?? clientId;
    this.#credentials = { key, password };
    const said = { clientId, clientType: type, streamMode: 'plain', sync: 'incremental', outputs: true, ...defined({ identity, name, desc }) };
    this.line = new Line({
      io, url, main: LLM, options, world,
      handshake: () => ({ ...said, ...defined(this.#credentials) }),
      greet: () => this.#outputs.greet(),
    });
    this.#requests = new Requests(() => this.line, this.#outputs, this.identity);
    for (const told of ['state', 'up', 'down', 'transport', 'problem', 'warning']) {
      this.line.on(told, (...args) => this.emit(told, ...args));
    }
    this.line.on('up', () => this.#requests.returned());
    this.#outputs.on('output', (output) => {
      this.#requests.began(output);
      this.emit('output', output);
    });
    this.line.on('down', () => this.#outputs.cut());
    this.line.on('problem', (body) => this.#requests.problem(body));
    this.#listen();
  }

  // ---- the connection

  /** 'connecting', 'connected', 'reconnecting', 'refused' or 'closed' */
  get state() {
    return this.line.state;
  }

  /** Resolves when the hub has let us in; rejects with its Failure when it refuses. */
  get ready() {
    return this.line.up().then(() => this);
  }

  /** After a refusal, or to try now: with another key, perhaps. */
  retry(/** @type {{key?: string, password?: string}} */ credentials = {}) {
    Object.assign(this.#credentials, credentials);
    this.line.retry();
  }

  close() {
    this.line.close();
    this.#outputs.close();
    this.#requests.close();
  }

  /** How the line goes, 'websocket' or 'polling'; '' while there is none. */
  get transport() {
    return this.line.transport;
  }

  /** Any event of the contract: resolves with the hub's ack, rejects with a Failure. */
  call(/** @type {string} */ namespace, /** @type {string} */ event, payload = {}, how = {}) {
    return this.line.call(namespace, event, payload, how);
  }

  /** Any event of the contract, as it comes. */
  hear(/** @type {string} */ namespace, /** @type {string} */ event, /** @type {(payload: any) => void} */ heard) {
    this.line.hear(namespace, event, heard);
  }

  // ---- asking

  /**
   * Ask a question; see `Answer`.
   * @param {string} text
   * @param {{room?: string, target?: string | string[], action?: string, messageId?: string, character?: string,
   *   failover?: boolean, requestId?: string, signal?: AbortSignal, [passedOn: string]: any}} [how]
   */
  ask(text, how = {}) {
    return this.#requests.ask(text, how);
  }

  /**
   * No more of what one asked earlier, of which there is no `Answer` here: a page that was loaded again, say.
   * @param {string} requestId
   * @param {string} [requester] the identity of who asked, for staff
   */
  stop(requestId, requester = '') {
    return this.call(LLM, 'CANCEL_REQUEST', { requestId, ...defined({ identity: requester }) });
  }

  /**
   * Where requests stand that one asked earlier, of which there is no `Answer` here: the members of REQUEST_STATUS_UPDATE
   * and `live`; `status` 'gone' is what the hub knows no more. What comes later is told by 'status', 'queue' and 'output'.
   * @param {string[]} requestIds
   */
  standings(requestIds) {
    return this.#outputs.stand(requestIds);
  }

  /** Who can answer: an empty list when nobody is connected. */
  async extensions() {
    const { extensions, details = [] } = await this.call(AUTH, 'GET_SILLYTAVERN_EXTENSION').catch((failure) => {
      if (Array.isArray(failure.body?.extensions)) return failure.body;
      throw failure;
    });
    const known = new Map(details.map((/** @type {any} */ detail) => [detail.identity, detail]));
    return extensions.map((/** @type {string} */ identity) => known.get(identity) ?? { identity });
  }

  // ---- what waits

  /** What waits in a room to be answered, for its host, its turn or an extension that has just gone. */
  async queue(/** @type {string} */ room = '') {
    return (await this.call(LLM, 'GET_QUEUE', named(room))).entries;
  }

  /**
   * Release what waits for the host of a room, without words of one's own: an `Answer` to all of it.
   * @param {string} [room]
   * @param {{requestId?: string, signal?: AbortSignal}} [how]
   */
  submit(room = '', how = {}) {
    return this.#requests.submit(room, how);
  }

  // ---- rooms

  async rooms() {
    return (await this.call(ROOMS, 'GET_ROOMS')).roomDetails;
  }

  create(/** @type {string} */ roomName, how = {}) {
    return this.call(ROOMS, 'CREATE_ROOM', { ...how, roomName });
  }

  /** Who is a member already stays one. */
  join(/** @type {string} */ roomName) {
    this.#openRooms();
    return this.call(ROOMS, 'JOIN_ROOM', { roomName });
  }

  leave(/** @type {string} */ roomName) {
    return this.call(ROOMS, 'LEAVE_ROOM', { roomName });
  }

  async members(/** @type {string} */ roomName) {
    this.#openRooms();
    return (await this.call(ROOMS, 'GET_CLIENTS_IN_ROOM', { roomName })).clients;
  }

  typing(/** @type {string} */ roomName, typing = true) {
    return this.line.say(LLM, typing ? 'START_TYPING' : 'STOP_TYPING', { targetRoom: roomName });
  }

  // ---- history

  /** @returns {Promise<{messages: any[], hasMore: boolean, seq: number}>} the newest, or those before a `seq` */
  history(/** @type {string} */ room = '', { before = undefined, limit = 50 } = /** @type {any} */ ({})) {
    return this.call(LLM, 'GET_MESSAGES', { ...named(room), limit, ...defined({ before }) });
  }

  /** All of a room's history, from its end to its beginning: a page at a time, each oldest first. */
  async *pages(/** @type {string} */ room = '', { limit = 50 } = {}) {
    let before;
    for (;;) {
      const page = await this.history(room, { before, limit });
      if (page.messages.length) yield page.messages;
      before = page.messages[0]?.seq;
      if (!page.hasMore || before === undefined) return;
    }
  }

  /** What was said while one was away, or after `since`, a seq or an ISO time. */
  missed(/** @type {string} */ room = '', { since = undefined, limit = 50 } = /** @type {any} */ ({})) {
    return this.call(LLM, 'GET_OFFLINE_MESSAGES', { ...named(room), limit, ...defined({ since }) });
  }

  edit(/** @type {string} */ roomName, /** @type {string} */ messageId, /** @type {string | object} */ updatedFields) {
    return this.call(LLM, 'EDIT_MESSAGE', { roomName, messageId, updatedFields });
  }

  delete(/** @type {string} */ roomName, /** @type {string | string[]} */ messageIds) {
    return this.call(LLM, 'DELETE_MESSAGE', { roomName, messageIds: [messageIds].flat() });
  }

  /** The outputs that are live now, or were a while ago. */
  get outputs() {
    return this.#outputs.all;
  }

  // ---- inside: what the hub says

  #listen() {
    const hear = (/** @type {string} */ event, /** @type {(said: any) => void} */ heard) => {
      this.line.hear(LLM, event, (/** @type {any} */ said) => {
        if (said && typeof said === 'object') heard(said);
      });
    };
    hear('SERVER_STREAM_START', (said) => this.#outputs.started(said));
    hear('SERVER_STREAM_DATA', (said) => this.#outputs.grow(said, (output) => output.grown(said)));
    hear('SERVER_STREAM_RESET', (said) => this.#outputs.grow(said, (output) => output.voided(said)));
    hear('SERVER_STREAM_END', (said) => this.#outputs.grow(said, (output) => output.ended(said)));
    for (const event of ['message', 'LLM_RESPONSE']) {
      hear(event, (said) => {
        if (!said.roomName) return; // the answer to a question whether the hub is there
        this.#outputs.grow(said, (output) => {
          if (output.state === 'live') output.ended(said);
          else if (said.messageId) output.messageId = said.messageId;
        });
      });
    }
    hear('REQUEST_STATUS_UPDATE', (said) => {
      this.emit('status', said);
      this.#requests.status(said);
    });
    hear('QUEUE_UPDATE', (said) => {
      this.emit('queue', said);
      this.#requests.queued(said);
    });
    for (const [event, name] of Object.entries(TOLD)) hear(event, (said) => this.emit(name, said));
  }

  #openRooms() {
    if (this.#roomsOpen) return;
    this.#roomsOpen = true;
    for (const [event, name] of Object.entries(TOLD_OF_ROOMS)) {
      this.line.hear(ROOMS, event, (/** @type {any} */ said) => this.emit(name, said));
    }
  }
}
