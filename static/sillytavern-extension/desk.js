// @ts-check
// A room's question in SillyTavern's own chat: asked under the speaker's name, answered by all that SillyTavern has, seen and
// saved there. What the person at the desk has half typed is neither sent nor lost.

import { breakName, breakText, looks } from './outsiders.js';
import { Busy, Refusal } from './refusal.js';
import { QUESTION_LENGTH } from './words.js';

const IDLE_MS = 60_000; // nobody has touched the desk for so long: another chat may be opened
const RETRY_MS = 5_000;
const SETTLING_MS = 1_500; // what ends just now, or is being saved, is waited for
const LEAVING_MS = 3_000;
const POLL_MS = 50;

/**
 * The chat that the linked room is served in: one character or group, and one chat file (contract 16.1, B17).
 * @typedef {object} Link
 * @property {string} room
 * @property {string} avatar the character's file, '' of a group
 * @property {string} group the group's id, '' of a character
 * @property {string} chatId
 * @property {string} title
 * @property {Record<string, string>} [chats] the room's chat with each character that it has had, by the character's file
 */

export class Desk {
  #host;
  #link;
  #trusts;
  /** @type {Promise<any> | null} another chat is being opened for the room */
  #moving = null;
  /** @type {Run | null} what is being generated */
  #run = null;
  /** Whether something of the hub is being generated now. */
  busy = false;

  /**
   * @param {object} given
   * @param {any} given.host
   * @param {() => Link | null} given.link
   * @param {(clientId: string) => boolean} given.trusts whose macros may run
   */
  constructor({ host, link, trusts }) {
    this.#host = host;
    this.#link = link;
    this.#trusts = trusts;
    host.on('characterRenamed', () => this.#leave(RENAMED));
  }

  /** Whether the linked chat is the open one. */
  get here() {
    const link = this.#link();
    return Boolean(link && same(this.#host.at(), link));
  }

  /**
   * Answer what was asked of the linked room.
   * @param {import('./request.js').Ask} ask
   * @param {import('./answer.js').Way} way
   */
  async answer(ask, way) {
    await this.#moving?.catch(() => {});
    const link = this.#link();
    if (!link || link.room !== ask.room) throw new Refusal('No chat of SillyTavern is linked with this room.'); // any more, perhaps
    if (this.busy) throw new Busy('SillyTavern has not stopped yet.'); // what it was told to
    this.busy = true;
    try {
      await this.#enter(link);
      this.#host.view.hold();
      if (!way.signal.aborted) await this.#generate(ask, way, link);
    } finally {
      this.busy = false;
      this.#host.unlock();
      this.#host.view.release();
    }
  }

  /**
   * Open another chat, by `open`: while nothing of the hub is answered, nor anybody at work at the desk.
   * @template T @param {() => Promise<T>} open @returns {Promise<T>}
   */
  async move(open) {
    const host = this.#host;
    const ready = () => !this.busy && !this.#moving && !atWork(host.at());
    const end = Date.now() + SETTLING_MS;
    while (!ready() && Date.now() < end) await sleep(POLL_MS);
    if (!ready()) throw new Refusal('SillyTavern is answering.', 9);
    if (host.box.typed.trim()) throw new Refusal('Something is half typed in SillyTavern.', 9);
    if (!this.#left) throw new Refusal('Somebody is at work in SillyTavern.', 9);
    const moving = (this.#moving = open());
    try {
      return await moving;
    } finally {
      this.#moving = null;
    }
  }

  /** What is answered loses its place: resolves when it has stopped, as far as it does so soon. */
  async #leave(/** @type {string} */ why) {
    this.#run?.leave(why);
    const end = Date.now() + LEAVING_MS;
    while (this.busy && Date.now() < end) await sleep(POLL_MS);
  }

  /** Whether nobody has touched the page for long, nor left anything under way that another chat would take away. */
  get #left() {
    return this.#host.idleMs() >= IDLE_MS && !this.#host.at().engaged;
  }

  /** Open the linked chat, if nobody is at work in another one, and keep it. */
  async #enter(/** @type {Link} */ link) {
    const host = this.#host;
    if (atWork(host.at())) throw new Busy('SillyTavern is generating for the person at its desk.');
    if (!same(host.at(), link)) {
      if (!host.has(link)) throw new Refusal('The linked chat of SillyTavern is not there any more.', 7);
      if (!this.#left) throw new Busy('Another chat is open in SillyTavern.', RETRY_MS);
      await host.open(link);
      if (!same(host.at(), link) || atWork(host.at())) throw new Busy('The linked chat could not be opened in SillyTavern.', RETRY_MS);
    }
    host.lock();
  }

  async #generate(/** @type {import('./request.js').Ask} */ ask, /** @type {import('./answer.js').Way} */ way, /** @type {Link} */ link) {
    const host = this.#host;
    const calm = this.#calm(ask);
    const mark = { requestId: ask.requestId, questionId: ask.questionId, ...(this.#trusts(ask.clientId) ? { trusted: true } : {}) };
    const type = await this.#prepare(ask, link, mark, calm);
    const run = new Run({ host, way, calm, mark, type, action: ask.word, trusted: Boolean(mark.trusted), here: () => same(host.at(), link) });
    if (!host.streams()) way.asked(true);
    if (way.signal.aborted) return;
    this.#run = run;
    try {
      await run.go();
    } finally {
      this.#run = null;
    }
  }

  /** Put the question into the chat, where it is not there yet; what kind of generation follows. @returns {Promise<Type>} */
  async #prepare(/** @type {import('./request.js').Ask} */ ask, /** @type {Link} */ link, /** @type {any} */ mark, /** @type {(text: string) => string} */ calm) {
    const host = this.#host;
    const fresh = link.group ? 'group' : 'regenerate'; // which deletes nothing after a question
    const last = host.last();
    if (ask.questionId && host.knows(ask.questionId)) {
      if (last?.mark?.questionId !== ask.questionId) throw new Refusal('The conversation in SillyTavern has gone on since: only its last answer can be changed.');
      if (last.isUser && ask.action !== 'continue') return fresh;
      if (!last.isUser) {
        // SillyTavern runs the macros of an answer that is a chat's first message, as it draws it.
        const first = host.message(0);
        if (!first?.isUser && first?.mark?.questionId === ask.questionId) throw new Refusal('The question is not in SillyTavern any more.', 7);
        if (host.at().editing) throw new Busy('The last answer is being edited in SillyTavern.', RETRY_MS);
        if (ask.action !== 'continue') return link.group && ask.word !== 'swipe' ? 'again' : 'swipe';
        await this.#show(last, ask.outputId);
        return 'continue';
      }
    }
    if (ask.action === 'continue') throw new Refusal('There is no answer in SillyTavern that could go on.', 7);
    if (!ask.text.trim()) throw new Refusal('There is nothing to answer.', 7);
    if (ask.text.length > QUESTION_LENGTH) throw new Refusal('That is too long.', 7);
    if (last?.mark?.outputId && last.swipe < last.swipes && !host.at().editing) await this.#follow(last, ask);
    await host.say({ text: ask.text, name: this.#name(ask), mark: { ...mark, ...(ask.clientId ? { clientId: ask.clientId } : {}) }, calm, here: () => same(host.at(), link) });
    return fresh;
  }

  /** As whom it is said: with his id where he is called as somebody else of this chat, or so that it looks like that (A40). */
  #name(/** @type {import('./request.js').Ask} */ ask) {
    const name = breakName(ask.speaker);
    if (this.#trusts(ask.clientId)) return name;
    const others = this.#host.guests().filter((/** @type {any} */ guest) => guest.clientId !== ask.clientId);
    const taken = new Set([...this.#host.speakers(), ...others.map((/** @type {any} */ guest) => guest.name)].map(looks));
    return taken.has(looks(name)) ? breakName(`${[...name].slice(0, 30).join('')} (${ask.clientId || 'guest'})`) : name;
  }

  /** The answer that is to go on is the one that is shown. */
  async #show(/** @type {any} */ last, /** @type {string} */ outputId) {
    if (!outputId) return;
    const swipe = this.#host.swipeOf(last.index, outputId);
    if (swipe < 0) throw new Refusal('The conversation in SillyTavern has gone on since: only its last answer can be changed.');
    if (swipe !== last.swipe) await this.#host.show(last.index, swipe);
  }

  /** Where the room has chosen another answer than the newest one, the conversation goes on from that. */
  async #follow(/** @type {any} */ last, /** @type {import('./request.js').Ask} */ ask) {
    const chosen = ask.chosen.get(last.mark.questionId);
    const swipe = chosen ? this.#host.swipeOf(last.index, chosen) : -1;
    if (swipe >= 0 && swipe !== last.swipe && swipe < last.swipes - 1) await this.#host.show(last.index, swipe);
  }

  #calm(/** @type {import('./request.js').Ask} */ ask) {
    if (this.#trusts(ask.clientId)) return String;
    const markup = this.#host.runsCode().length > 0;
    return (/** @type {string} */ text) => breakText(text, { markup });
  }
}

/** @typedef {'regenerate'|'swipe'|'continue'|'group'|'again'} Type 'again': all answers of a group's members to the question */

const CLOSED = 'The chat was closed in SillyTavern in the middle of the answer.';
const DELETED = 'The answer was deleted in SillyTavern in the middle.';
const RENAMED = 'The character was renamed in SillyTavern in the middle of the answer.';
const NOT_ANSWERS = new Set(['first_message', 'extension', 'command']);

/** One generation in the chat, followed by SillyTavern's events. */
class Run {
  #given;
  /** @type {import('./answer.js').Sink | null} */
  #sink = null;
  /** @type {any} */
  #character = null;
  #settled = -1; // the message that is an answer of the one who answers now
  #answers = 0;
  #stopped = false;
  #stoppedThere = false;
  #before = ''; // what `continue` goes on from
  #goingOn = false; // SillyTavern continues
  /** @type {any} the mark of the answer that goes on */
  #mark = null;
  #closed = ''; // why it has no place at the desk any more
  /** @type {any} what streams */
  #message = null;
  #told = '';
  #broken = false;
  #swipes = 0; // answers that there are, before another one is asked for
  /** Resolves when it is over. @type {Promise<void>} */
  #over;
  #end = () => {};
  #isOver = false;
  #waits = false; // another generation of the desk, for the end of this one

  /** @param {any} given */
  constructor(given) {
    this.#given = given;
    this.#over = new Promise((resolve) => {
      this.#end = () => {
        this.#isOver = true;
        resolve();
      };
    });
  }

  /** Its place is not there any more. */
  leave(/** @type {string} */ why) {
    if (this.#isOver || this.#closed) return;
    this.#closed = why;
    this.#given.host.abandon();
  }

  async go() {
    const { host, way, type } = this.#given;
    if (type === 'continue') {
      this.#before = host.last().text;
      this.#mark = host.last().mark;
    }
    if (type === 'swipe') this.#swipes = host.last().swipes;
    this.#character = host.character();
    if (this.#away()) throw new Refusal(this.#closed);
    const offs = this.#hear();
    let trouble = '';
    offs.push(
      host.troubles((/** @type {string} */ words) => {
        trouble ||= words;
      }),
    );
    const stop = () => {
      this.#stopped = true;
      if (!this.#closed) host.stop();
    };
    way.signal.addEventListener('abort', stop, { once: true });
    host.box.cover();
    let putBack = async () => {};
    try {
      if (type === 'again') putBack = await host.takeAnswers(this.#given.mark.questionId);
      if (this.#stopped) return;
      const result = await this.#generate(type).finally(() => {
        this.#stoppedThere ||= host.stopped && !this.#stopped; // what tells of it may be late
      });
      if (host.goesOn) await host.quiet();
      if (this.#away()) throw new Refusal(this.#closed);
      if (this.#stopped) return;
      if (trouble) throw new Error(trouble);
      // Undefined is how SillyTavern resolves after a failure in mid-stream.
      if (!this.#stoppedThere && (this.#answers === 0 || result === undefined)) throw new Refusal(this.#sink ? 'The model did not finish its answer.' : 'The model gave no answer.');
    } catch (error) {
      if (this.#closed && !this.#stopped) throw new Refusal(this.#closed);
      if (!this.#stopped && !this.#stoppedThere) throw error;
    } finally {
      way.signal.removeEventListener('abort', stop);
      for (const off of offs) off();
      host.box.uncover();
      try {
        if (!this.#away()) {
          const last = host.last();
          if (this.#settled >= 0) await this.#settle(this.#settled, { last: true, broken: this.#broken });
          else if (type !== 'swipe' && this.#sink) await this.#settle(host.placeOf(this.#message), { last: true, broken: true });
          // A swipe of which nothing came has been taken back: the last message is the old answer.
          else if (type === 'swipe' && last?.swipe >= this.#swipes) await this.#settle(last.index, { last: true, broken: true });
          else {
            host.wake();
            if (this.#answers === 0) await putBack();
          }
        }
      } finally {
        host.wake();
        if (this.#waits && !this.#closed) host.handOver();
        this.#end();
      }
    }
    if (this.#stoppedThere && !this.#stopped && !this.#sink && this.#answers === 0) throw new Refusal('It was stopped in SillyTavern.');
  }

  #hear() {
    const { host } = this.#given;
    // What other extensions keep waiting may be heard when it is another answer's turn.
    const hear = (/** @type {string} */ name, /** @type {(...args: any[]) => any} */ react) =>
      host.on(name, (/** @type {any[]} */ ...args) => (this.#isOver ? undefined : react(...args)));
    return [
      hear('started', (/** @type {string} */ type, /** @type {any} */ options) => {
        if (host.isForeign(type, options)) return this.#keepWaiting();
        this.#goingOn = type === 'continue';
        host.box.cover();
        host.wake();
        return undefined;
      }),
      hear('afterData', () => {
        if (!host.beside) host.box.uncover(); // else with the first word
        if (!this.#given.trusted) host.rest(); // the prompt is made: what scripts see from now on is the answer
      }),
      hear('token', (/** @type {string} */ text) => this.#token(text)),
      hear('drafted', (/** @type {number} */ index) => this.#drafted(index)),
      hear('received', (/** @type {number} */ index, /** @type {string} */ type) => {
        if (NOT_ANSWERS.has(type) || this.#away()) return undefined;
        host.keep();
        this.#broken = host.broken();
        return this.#settle(index, { broken: this.#broken });
      }),
      hear('chatChanged', () => {
        this.#away();
      }),
      hear('deleted', () => {
        this.#away();
      }),
      hear('stopped', () => {
        this.#stoppedThere = !this.#stopped;
      }),
    ];
  }

  /**
   * What else begins, as when a member of a group is made to speak: after this, for two that write at once spoil each other.
   * Who waits may be waited for by what this waits for: not longer than the model may be silent, nor long after its answer.
   */
  #keepWaiting() {
    const { way, type } = this.#given;
    this.#waits = true;
    const group = type === 'group' || type === 'again';
    const late = new Promise((resolve) => {
      const soon = async () => {
        await sleep(LEAVING_MS);
        if (!this.#isOver) this.#waits = false; // it has begun, and may be over before this is
        resolve(undefined);
      };
      if (this.#settled >= 0 && !group) soon();
      else way.signal.addEventListener('abort', soon, { once: true });
    });
    return Promise.race([this.#over, late]);
  }

  #generate(/** @type {Type} */ type) {
    const { host } = this.#given;
    if (type === 'group' || type === 'again') return host.generateGroup();
    return type === 'swipe' ? host.swipe() : host.generate(type);
  }

  /** Whether it has lost its place in the middle: what is written and read at the desk is none of ours then. */
  #away() {
    const { host, here } = this.#given;
    if (this.#closed) return true;
    if (!here()) this.#closed = CLOSED;
    else if (this.#message && host.placeOf(this.#message) < 0) this.#closed = DELETED;
    if (this.#closed) host.abandon();
    return this.#closed !== '';
  }

  #token(/** @type {string} */ text) {
    const { host, way, calm } = this.#given;
    host.box.uncover();
    if (this.#away()) return;
    this.#message ??= host.streamed();
    way.sign();
    const reasoning = host.reasoning();
    // What may be trimmed, or broken when more comes, is held back until it does.
    const held = text.slice(0, shownLength(text));
    const whole = calm(this.#new(this.#goingOn ? host.continued() + held : held.trimStart()));
    if (!whole && !reasoning) return;
    this.#open();
    if (reasoning) this.#sink?.reasoning(calm(reasoning));
    this.#told = whole;
    this.#sink?.text(whole);
  }

  /** Of a text that went on, what is new. */
  #new(/** @type {string} */ text) {
    const before = this.#before;
    if (text.startsWith(before)) return text.slice(before.length);
    let at = 0;
    while (at < before.length && before[at] === text[at]) at += 1;
    return text.slice(at);
  }

  #drafted(/** @type {number} */ index) {
    const { host, way } = this.#given;
    if (this.#away()) return;
    host.lock();
    way.more();
    way.asked(!host.streams()); // no sign of a model: the member is asked now
    this.#character = host.character(index);
    this.#sink = null;
    this.#settled = -1;
    this.#message = null;
    this.#told = '';
  }

  /** What SillyTavern made of it in the end is what everybody gets, and does nothing. */
  async #settle(/** @type {number} */ index, { last = false, broken = false } = {}) {
    const { host, calm, mark } = this.#given;
    if (this.#away()) return;
    const there = host.message(index);
    if (!there || there.isUser) return;
    this.#open();
    const done = await host.settle(index, { mark: this.#mark ?? { ...mark, outputId: this.#sink?.id }, calm, save: last });
    if (!done) return;
    if (this.#settled !== index) this.#answers += 1;
    this.#settled = index;
    if (done.reasoning) this.#sink?.reasoning(done.reasoning);
    const text = this.#new(done.text);
    // Of what broke SillyTavern shows less than has come: it draws some times a second.
    if (!broken || text.startsWith(this.#told)) this.#sink?.text(text);
  }

  #open() {
    const { way, action } = this.#given;
    this.#sink ??= way.output({ action, ...(this.#character ? { character: this.#character } : {}) });
  }
}

/** Where blanks, braces and angles at the end of it begin. @param {string} text */
function shownLength(text) {
  let end = text.length;
  while (end > 0 && /[\s{<]/.test(text[end - 1])) end -= 1;
  return end;
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** @param {any} at */
function atWork(at) {
  return at.generating || at.saving;
}

/** @param {any} at @param {Link} link */
export function same(at, link) {
  return link.group ? at.group === link.group && at.chatId === link.chatId : !at.group && at.avatar === link.avatar && at.chatId === link.chatId;
}
