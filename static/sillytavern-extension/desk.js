// @ts-check
// A room's question in SillyTavern's own chat: asked under the speaker's name, answered by all that SillyTavern has, seen and
// saved there. What the person at the desk has half typed is neither sent nor lost.

import { breakName, breakText } from './outsiders.js';
import { PATIENCE } from './answer.js';
import { Busy, Refusal } from './refusal.js';

const IDLE_MS = 60_000; // nobody has touched the desk for so long: another chat may be opened
const RETRY_MS = 5_000;

/**
 * The chat that the linked room is served in: one character or group, and one chat file (contract 16.1, B17).
 * @typedef {object} Link
 * @property {string} room
 * @property {string} avatar the character's file, '' of a group
 * @property {string} group the group's id, '' of a character
 * @property {string} chatId
 * @property {string} title
 */

export class Desk {
  #host;
  #link;
  #trusts;
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
    const link = this.#link();
    if (!link) throw new Refusal('No chat of SillyTavern is linked with this room.');
    await this.#enter(link);
    if (way.signal.aborted) return;
    this.busy = true;
    try {
      await this.#generate(ask, way, link);
    } finally {
      this.busy = false;
    }
  }

  /** Open the linked chat, if nobody is at work in another one. */
  async #enter(/** @type {Link} */ link) {
    const host = this.#host;
    const at = host.at();
    if (at.generating || at.saving) throw new Busy('SillyTavern is generating for the person at its desk.');
    if (same(at, link)) return;
    if (!host.has(link)) throw new Refusal('The linked chat of SillyTavern is not there any more.', 7);
    if (host.idleMs() < IDLE_MS) throw new Busy('Another chat is open in SillyTavern.', RETRY_MS);
    await host.open(link);
    if (!same(host.at(), link)) throw new Busy('The linked chat could not be opened in SillyTavern.', RETRY_MS);
  }

  async #generate(/** @type {import('./request.js').Ask} */ ask, /** @type {import('./answer.js').Way} */ way, /** @type {Link} */ link) {
    const host = this.#host;
    const calm = this.#calm(ask);
    const mark = { requestId: ask.requestId, questionId: ask.questionId, ...(this.#trusts(ask.clientId) ? { trusted: true } : {}) };
    const type = await this.#prepare(ask, link, mark, calm);
    const run = new Run({ host, way, calm, mark, type, action: ask.word, group: Boolean(link.group) });
    if (!host.streams()) way.patience(PATIENCE.whole);
    await run.go();
  }

  /** Put the question into the chat, where it is not there yet; what kind of generation follows. */
  async #prepare(/** @type {import('./request.js').Ask} */ ask, /** @type {Link} */ link, /** @type {any} */ mark, /** @type {(text: string) => string} */ calm) {
    const host = this.#host;
    const fresh = link.group ? 'normal' : 'regenerate'; // which sends no text box, and deletes nothing after a question
    if (ask.action !== 'new' && ask.questionId) {
      const last = host.last();
      const ours = last?.mark?.questionId === ask.questionId;
      if (ours && ask.action === 'continue' && !last.isUser) return 'continue';
      if (ours && ask.action === 'again') return last.isUser ? fresh : 'swipe';
      if (host.knows(ask.questionId)) throw new Refusal('The conversation in SillyTavern has gone on since: only its last answer can be changed.');
    }
    if (ask.action === 'continue') throw new Refusal('There is no answer in SillyTavern that could go on.', 7);
    if (!ask.text.trim()) throw new Refusal('There is nothing to answer.', 7);
    await host.say({ text: ask.text, name: breakName(ask.speaker), mark, calm });
    return fresh;
  }

  #calm(/** @type {import('./request.js').Ask} */ ask) {
    if (this.#trusts(ask.clientId)) return String;
    const markup = this.#host.runsCode().length > 0;
    return (/** @type {string} */ text) => breakText(text, { markup });
  }
}

/** One generation in the chat, followed by SillyTavern's events. */
class Run {
  #given;
  /** @type {import('./answer.js').Sink | null} */
  #sink = null;
  /** @type {any} */
  #character = null;
  #received = false;
  /** @type {Set<number>} */
  #settled = new Set();
  #stopped = false;
  #before = ''; // what `continue` goes on from
  /** @type {string | null} */
  #kept = null;

  /** @param {any} given */
  constructor(given) {
    this.#given = given;
  }

  async go() {
    const { host, way, type, group } = this.#given;
    if (type === 'continue') this.#before = host.last().text;
    this.#character = host.character();
    const offs = [
      host.on('token', (/** @type {string} */ text) => this.#token(text)),
      host.on('drafted', (/** @type {number} */ index) => this.#drafted(index)),
      host.on('received', (/** @type {number} */ index) => this.#settle(index)),
      host.on('afterData', () => {
        if (!group) this.#giveBox();
      }),
      host.on('groupFinished', () => this.#giveBox()),
    ];
    let trouble = '';
    offs.push(
      host.troubles((/** @type {string} */ words) => {
        trouble ||= words;
      }),
    );
    const stop = () => {
      this.#stopped = true;
      host.stop();
    };
    way.signal.addEventListener('abort', stop, { once: true });
    try {
      if (group || type === 'continue' || type === 'swipe') this.#kept = host.takeBox();
      const result = type === 'swipe' ? await host.swipe() : await host.generate(type);
      if (this.#stopped) return;
      if (trouble) throw new Error(trouble);
      // Undefined is how SillyTavern resolves after a failure in mid-stream; a swipe says nothing either way.
      if (!this.#received || (result === undefined && type !== 'swipe')) throw new Refusal(this.#sink ? 'The model did not finish its answer.' : 'The model gave no answer.');
    } finally {
      way.signal.removeEventListener('abort', stop);
      for (const off of offs) off();
      this.#giveBox();
      // A swipe that failed has been taken back: the last message is the old answer.
      if (this.#received || (this.#sink && type !== 'swipe')) await this.#settle(host.last()?.index ?? -1, true);
    }
  }

  #token(/** @type {string} */ text) {
    const { host, way, calm, type } = this.#given;
    way.sign();
    const reasoning = host.reasoning();
    // What may be trimmed, or broken when more comes, is held back until it does.
    const held = text.replace(/[\s{<]+$/, '');
    const whole = calm(type === 'continue' ? (host.continued() + held).slice(this.#before.length) : held.trimStart());
    if (!whole && !reasoning) return;
    this.#open();
    if (reasoning) this.#sink?.reasoning(calm(reasoning));
    this.#sink?.text(whole);
  }

  #drafted(/** @type {number} */ index) {
    this.#given.way.sign();
    this.#character = this.#given.host.character(index);
    this.#sink = null;
  }

  /** What SillyTavern made of it in the end is what everybody gets, and does nothing. */
  async #settle(/** @type {number} */ index, last = false) {
    const { host, calm, mark, type } = this.#given;
    const done = await host.settle(index, { mark, calm, save: last });
    if (!done || (last && !this.#sink && this.#settled.has(index))) return;
    if (!last) this.#received = true;
    this.#settled.add(index);
    this.#open();
    if (done.reasoning) this.#sink?.reasoning(done.reasoning);
    const text = type === 'continue' && done.text.startsWith(this.#before) ? done.text.slice(this.#before.length) : done.text;
    this.#sink?.text(text);
  }

  #open() {
    const { way, action } = this.#given;
    this.#sink ??= way.output({ action, ...(this.#character ? { character: this.#character } : {}) });
  }

  #giveBox() {
    if (this.#kept === null) return;
    this.#given.host.giveBox(this.#kept);
    this.#kept = null;
  }
}

/** @param {any} at @param {Link} link */
export function same(at, link) {
  return link.group ? at.group === link.group && at.chatId === link.chatId : !at.group && at.avatar === link.avatar && at.chatId === link.chatId;
}
