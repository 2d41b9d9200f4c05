// @ts-check
import { Answer } from './answer.js';
import { Failure } from './failure.js';
import { named } from './named.js';

/** @typedef {import('./output.js').Output} Output */

const LLM = '/llm';
const ASK_TRIES = 6; // the line is cut each time that this is said: it is too large for the hub, perhaps
const SETTLE_MS = 10_000; // for the last word on a request whose outputs are all over, of a hub that is not asked for it
const TAKE_BACK_MS = 600_000; // for so long the hub is told at a return that a question is not wanted any more; it gives it up itself then
const BUSY = 9; // errorCode: too many events
const BEGUN = ['accepted', 'processing']; // more than that it was forwarded

/** What a client has asked and what becomes of it: each question is heard once, and each answer is over once. */
export class Requests {
  /** @type {Map<string, Answer>} by request */
  #answers = new Map();
  /** @type {Map<string, string>} a request that was merged into another */
  #merged = new Map();
  /** @type {Map<string, any>} what went wrong, by request */
  #problems = new Map();
  /** @type {Map<Answer, Failure | null>} what is being said to the hub, and that it failed where that is known already */
  #asking = new Map();
  /** @type {WeakSet<Answer>} what was said to the hub at least once, which may have heard it */
  #said = new WeakSet();
  #line;
  #outputs;
  #identity;

  /**
   * @param {() => import('./line.js').Line} line
   * @param {import('./outputs.js').Outputs} outputs
   * @param {string} identity who asks
   */
  constructor(line, outputs, identity) {
    this.#line = line;
    this.#outputs = outputs;
    this.#identity = identity;
    outputs.on('standing', (said) => {
      const answer = this.#answers.get(said.requestId);
      if (answer) this.#stands(answer, said);
    });
    outputs.on('resumed', (output) => {
      for (const answer of this.#answersTo(output)) {
        if (answer.outputs.includes(output) && !outputs.standings.has(answer.requestId)) this.#settleLater(answer);
      }
    });
  }

  /**
   * @param {string} text
   * @param {any} how see `Hub.ask`
   */
  ask(text, { room, requestId, signal, ...how }) {
    const said = { isStreaming: true, ...how, ...(text ? { message: text } : {}), ...(room ? { targetRoom: room } : {}) };
    return this.#begin('LLM_REQUEST', said, { room, requestId, signal });
  }

  /**
   * @param {string} room
   * @param {any} how see `Hub.submit`
   */
  submit(room, { requestId, signal }) {
    return this.#begin('SUBMIT_QUEUE', named(room), { room, requestId, signal });
  }

  /** No more of it; resolves with what the hub says. */
  async stop(/** @type {Answer} */ answer) {
    if (answer.over) return { requestId: answer.requestId, state: answer.state, outputs: [] };
    if (answer.state === 'asking' && (this.#line().state !== 'connected' || !this.#asking.has(answer))) {
      if (this.#said.has(answer)) this.#line().call(LLM, 'CANCEL_REQUEST', { requestId: answer.requestId }, { timeoutMs: TAKE_BACK_MS }).catch(() => {});
      this.#end(answer, null, 'cancelled');
      return { requestId: answer.requestId, state: 'cancelled', outputs: [] };
    }
    try {
      return await this.#line().call(LLM, 'CANCEL_REQUEST', { requestId: answer.requestId });
    } catch (failure) {
      if (!answer.over) throw failure;
      return { requestId: answer.requestId, state: answer.state, outputs: [] }; // it was over before the hub could say so
    }
  }

  /** Of which the hub has yet to say what became of them. */
  get waiting() {
    return [...this.#answers.keys()];
  }

  // ---- what the hub says

  /** An output begins: its answer knows it before its first token. */
  began(/** @type {Output} */ output) {
    output.on('end', () => this.#outputOver(output));
    for (const answer of this.#answersTo(output)) answer.join(output);
  }

  /** REQUEST_STATUS_UPDATE */
  status(/** @type {any} */ said) {
    const answer = this.#answers.get(said.requestId);
    if (!answer) return;
    answer.status(said);
    switch (said.status) {
      case 'merged':
        if (typeof said.mergedInto === 'string') this.#merged.set(said.requestId, said.mergedInto);
        break;
      case 'rerouted':
        answer.restart();
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
        this.#failed(answer, this.#failureOf(answer, said));
        break;
      default:
    }
  }

  /** QUEUE_UPDATE */
  queued(/** @type {any} */ said) {
    this.#answers.get(said.requestId)?.status(said);
  }

  /** ERROR: why a request failed is said before that it did. */
  problem(/** @type {any} */ body) {
    if (typeof body.requestId === 'string' && this.#answers.has(body.requestId)) this.#problems.set(body.requestId, body);
  }

  /** The hub has let us in again. Of what was asked before: is it being answered, or was it meanwhile? */
  async returned() {
    for (const answer of [...this.#answers.values()]) {
      if (answer.over || answer.state === 'asking') continue;
      const standing = this.#outputs.standings.get(answer.requestId);
      const follows = answer.outputs.some((output) => output.state === 'live') && this.#outputs.resumes;
      if (follows && (!standing || standing.live)) continue;
      /** @type {Failure | null} */
      let unread = null; // its room is gone, say
      try {
        await this.#recover(answer);
      } catch (failure) {
        unread = /** @type {Failure} */ (failure);
        if (unread.lost || unread.code === BUSY) return; // at the next return
      }
      if (standing) this.#stood(answer, standing, unread);
      else {
        if (answer.outputs.length && answer.outputs.every((output) => output.state !== 'live')) this.#settle(answer, answer.state === 'completed');
        this.#settleLater(answer);
      }
    }
  }

  /** What was said of a request while the line was down, but how it ended: whom it went to, what it was merged into. */
  #stands(/** @type {Answer} */ answer, /** @type {any} */ said) {
    if (typeof said.mergedInto === 'string') this.#merged.set(answer.requestId, said.mergedInto);
    if (Array.isArray(said.targets)) answer.restart(said.targets);
    for (const output of this.#outputs.all) if (this.#answersTo(output).includes(answer)) answer.join(output);
    if (said.live && !(said.status === 'forwarded' && BEGUN.includes(answer.state))) answer.status(said);
  }

  /** And how it ended, once what is stored of it has been read. */
  #stood(/** @type {Answer} */ answer, /** @type {any} */ said, /** @type {Failure | null} */ unread = null) {
    if (answer.over || said.live) return;
    if (unread && said.status === 'completed' && !answer.outputs.length) this.#end(answer, unread);
    else if (said.status !== 'gone') this.status(said);
    else if (answer.outputs.length) this.#settle(answer, true);
    else this.#end(answer, new Failure('The hub does not know this request any more.', { code: 'gone' }));
  }

  close() {
    for (const answer of [...this.#answers.values()]) this.#end(answer, this.#line().refusal);
  }

  // ---- inside

  #begin(/** @type {string} */ event, /** @type {any} */ said, /** @type {any} */ { room = '', requestId = this.#line().world.uuid(), signal }) {
    if (this.#answers.has(requestId)) throw new Failure('This request is being answered.', { code: 'duplicate' });
    const answer = new Answer(requestId, room, (asked) => this.stop(asked));
    this.#answers.set(requestId, answer);
    if (signal?.aborted) this.#end(answer, null, 'cancelled');
    else {
      const abort = () => this.stop(answer).catch(() => {});
      signal?.addEventListener('abort', abort, { once: true });
      answer.on('end', () => signal?.removeEventListener('abort', abort));
      this.#send(answer, event, { ...said, requestId });
    }
    return answer;
  }

  /** Those of which an output is: the one that was asked for it, and all that were merged into what was. */
  #answersTo(/** @type {Output} */ output) {
    const mine = !output.requester || output.requester === this.#identity;
    const answers = mine ? [this.#answers.get(output.requestId)] : [];
    for (const [merged, into] of this.#merged) if (into === output.requestId) answers.push(this.#answers.get(merged));
    return answers.filter((answer) => answer !== undefined);
  }

  #failureOf(/** @type {Answer} */ answer, /** @type {any} */ said) {
    const problem = this.#problems.get(answer.requestId);
    return Failure.of({ ...problem, ...said, ...(problem ? { errorCode: problem.errorCode } : {}), message: problem?.message ?? said.message ?? said.status });
  }

  #outputOver(/** @type {Output} */ output) {
    for (const answer of this.#answersTo(output)) {
      if (!answer.outputs.includes(output)) continue;
      if (answer.state === 'completed') this.#settle(answer);
      else if (output.state === 'gone') this.#recover(answer).catch(() => {});
    }
  }

  /** All has been said of a request: it is over with its outputs. */
  #settle(/** @type {Answer} */ answer, finish = false) {
    if (answer.over) return;
    if (answer.outputs.every((output) => output.state !== 'live') && (finish || answer.state === 'completed')) {
      this.#end(answer, this.#unfinished(answer));
    } else {
      this.#line().later(SETTLE_MS, () => {
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
    if (this.#line().state !== 'connected' || (live && answer.state !== 'completed')) return; // told after the next return
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

  async #send(/** @type {Answer} */ answer, /** @type {string} */ event, /** @type {any} */ payload) {
    let asked = 0;
    let unread = 0; // how often in a row the line was cut while what is stored was read
    while (!answer.over) {
      try {
        await this.#line().up();
        if (asked > 0) {
          unread += 1;
          if ((await this.#recover(answer)) || this.#known(answer)) {
            this.#heard(answer);
            return;
          }
          unread = 0;
        }
        if (answer.over) return; // nobody wants it any more
        asked += 1;
        answer.status(await this.#ask(answer, event, payload));
        return;
      } catch (error) {
        const failure = /** @type {Failure} */ (error);
        if (failure.lost && asked < ASK_TRIES && unread < ASK_TRIES) continue; // heard or not? what is stored says so
        if (asked > 1 && failure.message === 'Duplicate requestId.') {
          this.#heard(answer);
          return;
        }
        if (!answer.over) this.#end(answer, failure);
        return;
      }
    }
  }

  /** Its ack. That it failed is said before: the ack says why, and is waited for. */
  async #ask(/** @type {Answer} */ answer, /** @type {string} */ event, /** @type {any} */ payload) {
    this.#asking.set(answer, null);
    this.#said.add(answer);
    try {
      const ack = await this.#line().ask(LLM, event, payload);
      const failure = this.#asking.get(answer);
      if (failure) throw failure;
      return ack;
    } catch (error) {
      throw (/** @type {Failure} */ (error).lost && this.#asking.get(answer)) || error;
    } finally {
      this.#asking.delete(answer);
    }
  }

  #failed(/** @type {Answer} */ answer, /** @type {Failure} */ failure) {
    if (failure.code === 'unknown' && this.#asking.has(answer)) this.#asking.set(answer, failure);
    else this.#end(answer, failure);
  }

  /** The hub has a question whose ack was lost; whatever it said of it meanwhile may be lost, too. */
  #heard(/** @type {Answer} */ answer) {
    if (answer.state === 'asking') answer.status({ state: 'forwarded' });
    const known = this.#known(answer);
    if (known) this.#stood(answer, known);
    else this.#settleLater(answer);
  }

  /** Where it stood at the last return, if the hub knew it then. */
  #known(/** @type {Answer} */ answer) {
    const standing = this.#outputs.standings.get(answer.requestId);
    return standing?.status === 'gone' ? undefined : standing;
  }

  /**
   * Look for a question and what was answered in what is stored.
   * @returns {Promise<boolean>} whether the hub has it
   */
  async #recover(/** @type {Answer} */ answer) {
    const into = this.#merged.get(answer.requestId);
    const { messages } = await this.#line().ask(LLM, 'GET_MESSAGES', { ...named(answer.room), limit: 200 });
    let found = false;
    for (const message of messages) {
      if (message.requestId !== answer.requestId && message.requestId !== into) continue;
      if (message.fromClient && message.identity === this.#identity) {
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

  /** Its last word may have been said while the line was down. */
  #settleLater(/** @type {Answer} */ answer) {
    if (answer.over || !answer.outputs.length) return;
    this.#line().later(SETTLE_MS, () => {
      if (!answer.over) this.#settleNow(answer);
    });
  }
}
