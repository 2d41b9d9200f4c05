// @ts-check
import { Answer } from './answer.js';
import { defined } from './defined.js';
import { Emitter } from './emitter.js';
import { Failure } from './failure.js';
import { Line } from './line.js';
import { Outputs } from './outputs.js';

/** @typedef {import('./output.js').Output} Output */

const LLM = '/llm';
const ROOMS = '/rooms';
const SETTLE_MS = 10_000; // for the last word on a request whose outputs are all over

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
 * Tells what `Line` tells of the connection ('state', 'up', 'down', 'problem', 'warning'), 'output' (Output) for each
 * output of one's rooms, 'status' (said) for each of one's requests, and of the history and the members of rooms what
 * TOLD and TOLD_OF_ROOMS name, with the hub's payload.
 */
export class Hub extends Emitter {
  /** @type {Map<string, Answer>} by request */
  #answers = new Map();
  /** @type {Map<string, string>} a request that was merged into another */
  #merged = new Map();
  /** @type {Map<string, any>} what went wrong, by request */
  #problems = new Map();
  #outputs = new Outputs(() => this.line);
  #credentials;
  #roomsOpen = false;

  /** @param {any} given see `connect` */
  constructor({ io, url, clientId, identity, key, password, name, desc, type = 'client', options, world }) {
    super();
    this.clientId = clientId;
    this.identity = identity ?? clientId;
    this.#credentials = { key, password };
    const said = { clientId, clientType: type, streamMode: 'plain', sync: 'incremental', outputs: true };
    for (const [member, value] of Object.entries({ identity, name, desc })) if (value !== undefined) said[member] = value;
    this.line = new Line({
      io, url, main: LLM, options, world,
      handshake: () => ({ ...said, ...defined(this.#credentials) }),
      greet: () => this.#outputs.greet(),
    });
    for (const told of ['state', 'up', 'down', 'problem', 'warning']) {
      this.line.on(told, (...args) => this.emit(told, ...args));
    }
    this.line.on('up', () => this.#returned());
    this.#outputs.on('output', (output, said) => this.#outputBegan(output, said));
    this.#outputs.on('resumed', (output) => {
      const answer = this.#answerTo(output.requestId);
      if (answer?.outputs.includes(output)) this.#settleLater(answer);
    });
    this.line.on('down', () => this.#outputs.cut());
    this.line.on('problem', (body) => {
      if (typeof body.requestId === 'string' && this.#answers.has(body.requestId)) this.#problems.set(body.requestId, body);
    });
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
    for (const answer of [...this.#answers.values()]) this.#end(answer, this.line.refusal);
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
  ask(text, { room = '', requestId = this.line.world.uuid(), signal, ...how } = {}) {
    if (this.#answers.has(requestId)) throw new Failure('This request is being answered.', { code: 'duplicate' });
    const answer = new Answer(requestId, room, (asked) => this.#stop(asked));
    this.#answers.set(requestId, answer);
    const payload = { isStreaming: true, ...how, requestId, ...(text ? { message: text } : {}), ...(room ? { targetRoom: room } : {}) };
    if (signal?.aborted) this.#end(answer, null, 'cancelled');
    else {
      const abort = () => this.#stop(answer).catch(() => {});
      signal?.addEventListener('abort', abort, { once: true });
      answer.on('end', () => signal?.removeEventListener('abort', abort));
      this.#send(answer, payload);
    }
    return answer;
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
    hear('REQUEST_STATUS_UPDATE', (said) => this.#status(said));
    hear('QUEUE_UPDATE', (said) => this.#answers.get(said.requestId)?.status(said));
    for (const [event, name] of Object.entries(TOLD)) hear(event, (said) => this.emit(name, said));
  }

  #openRooms() {
    if (this.#roomsOpen) return;
    this.#roomsOpen = true;
    for (const [event, name] of Object.entries(TOLD_OF_ROOMS)) {
      this.line.hear(ROOMS, event, (/** @type {any} */ said) => this.emit(name, said));
    }
  }

  /** Its answer knows an output before its first token. */
  #outputBegan(/** @type {Output} */ output, /** @type {any} */ said) {
    output.on('end', () => this.#outputOver(output));
    const answer = said.requester === undefined || said.requester === this.identity ? this.#answerTo(said.requestId) : undefined;
    answer?.join(output);
    this.emit('output', output);
  }

  #answerTo(/** @type {string} */ requestId) {
    const own = this.#answers.get(requestId);
    if (own) return own;
    for (const [merged, into] of this.#merged) if (into === requestId) return this.#answers.get(merged);
    return undefined;
  }

  #status(/** @type {any} */ said) {
    this.emit('status', said);
    const answer = this.#answers.get(said.requestId);
    if (!answer) return;
    answer.status(said);
    switch (said.status) {
      case 'merged':
        if (typeof said.mergedInto === 'string') this.#merged.set(said.requestId, said.mergedInto);
        break;
      case 'completed':
        this.#settle(answer);
        break;
      case 'cancelled':
      case 'ignored':
      case 'recorded':
        this.#end(answer, null);
        break;
      case 'failed':
      case 'expired':
        this.#end(answer, this.#failureOf(answer, said));
        break;
      default:
    }
  }

  #failureOf(/** @type {Answer} */ answer, /** @type {any} */ said) {
    const problem = this.#problems.get(answer.requestId);
    return Failure.of({ ...problem, ...said, ...(problem ? { errorCode: problem.errorCode } : {}), message: problem?.message ?? said.message ?? said.status });
  }

  #outputOver(/** @type {Output} */ output) {
    const answer = this.#answerTo(output.requestId);
    if (!answer?.outputs.includes(output)) return;
    if (answer.state === 'completed') this.#settle(answer);
    else if (output.state === 'gone') this.#recover(answer).catch(() => {});
  }

  /** All has been said of a request: it is over with its outputs. */
  #settle(/** @type {Answer} */ answer, finish = false) {
    if (answer.over) return;
    if (answer.outputs.every((output) => output.state !== 'live') && (finish || answer.state === 'completed')) {
      this.#end(answer, this.#unfinished(answer));
    } else {
      this.line.later(SETTLE_MS, () => {
        if (!answer.over && (answer.state === 'completed' || finish)) this.#settleNow(answer);
      });
    }
  }

  /** Why nothing of an answer was finished, or null. */
  #unfinished(/** @type {Answer} */ answer) {
    const broken = answer.outputs.length > 0 && answer.outputs.every((output) => output.state === 'failed' || output.state === 'gone');
    return broken ? this.#failureOf(answer, { message: 'The answer was not finished.' }) : null;
  }

  #settleNow(/** @type {Answer} */ answer) {
    const live = answer.outputs.some((output) => output.state === 'live');
    if (this.line.state !== 'connected' || (live && answer.state !== 'completed')) return; // told after the next return
    if (answer.outputs.length > 0 || answer.state === 'completed') this.#end(answer, this.#unfinished(answer));
  }

  #end(/** @type {Answer} */ answer, /** @type {Failure | null} */ failure, state = '') {
    this.#answers.delete(answer.requestId);
    this.#merged.delete(answer.requestId);
    this.#problems.delete(answer.requestId);
    if (state) answer.state = state;
    if (failure) answer.fail(failure);
    else answer.finish();
  }

  // ---- inside: a request, heard once

  async #send(/** @type {Answer} */ answer, /** @type {any} */ payload) {
    for (let tries = 0; !answer.over; tries += 1) {
      try {
        await this.line.up();
        if (tries > 0 && (await this.#recover(answer))) {
          this.#heard(answer);
          return;
        }
        answer.status(await this.line.ask(LLM, 'LLM_REQUEST', payload));
        return;
      } catch (error) {
        const failure = /** @type {Failure} */ (error);
        if (failure.lost) continue; // heard or not? what is stored says so
        if (tries > 0 && failure.message === 'Duplicate requestId.') {
          this.#heard(answer);
          return;
        }
        if (!answer.over) this.#end(answer, failure);
        return;
      }
    }
  }

  /** The hub has a question whose ack was lost; whatever it said of it meanwhile may be lost, too. */
  #heard(/** @type {Answer} */ answer) {
    if (answer.state === 'asking') answer.status({ state: 'forwarded' });
    this.#settleLater(answer);
  }

  /**
   * Look for a question and what was answered in what is stored.
   * @returns {Promise<boolean>} whether the hub has it
   */
  async #recover(/** @type {Answer} */ answer) {
    const into = this.#merged.get(answer.requestId);
    const { messages } = await this.line.ask(LLM, 'GET_MESSAGES', { ...named(answer.room), limit: 200 });
    let found = false;
    for (const message of messages) {
      if (message.requestId !== answer.requestId && message.requestId !== into) continue;
      if (message.fromClient && message.identity === this.identity) {
        found = true;
        answer.questionId ||= message.messageId;
      } else if (message.isResponse && (!answer.questionId || !message.questionId || message.questionId === answer.questionId || into)) {
        found = true;
        const output = this.#outputs.of({ ...message, outputId: message.outputId ?? message.messageId });
        if (!answer.outputs.includes(output)) answer.join(output);
        if (output.state === 'live' || output.state === 'gone') output.ended(message);
      }
    }
    return found;
  }

  async #stop(/** @type {Answer} */ answer) {
    if (answer.over) return { requestId: answer.requestId, state: answer.state, outputs: [] };
    if (answer.state === 'asking' && this.line.state !== 'connected') {
      this.#end(answer, null, 'cancelled');
      return { requestId: answer.requestId, state: 'cancelled', outputs: [] };
    }
    return this.call(LLM, 'CANCEL_REQUEST', { requestId: answer.requestId });
  }

  // ---- inside: coming back

  /** Of what was asked before: is it being answered, or was it meanwhile? */
  async #returned() {
    for (const answer of [...this.#answers.values()]) {
      if (answer.over || answer.state === 'asking') continue;
      if (answer.outputs.some((output) => output.state === 'live') && this.#outputs.resumes) continue;
      try {
        await this.#recover(answer);
      } catch {
        return; // at the next return
      }
      if (answer.outputs.length && answer.outputs.every((output) => output.state !== 'live')) this.#settle(answer, answer.state === 'completed');
      this.#settleLater(answer);
    }
  }

  /** Its last word may have been said while the line was down. */
  #settleLater(/** @type {Answer} */ answer) {
    if (answer.over || !answer.outputs.length) return;
    this.line.later(SETTLE_MS, () => {
      if (!answer.over) this.#settleNow(answer);
    });
  }
}

function named(/** @type {string} */ roomName) {
  return roomName ? { roomName } : {};
}
