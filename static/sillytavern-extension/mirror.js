// @ts-check
// The linked chat, shown in its room: what is sent, received, edited, deleted and swiped at the desk, never what was asked
// through the hub, and of this one chat file alone (contract 16.1, B17).

import { Refusal } from './refusal.js';

const SNAPSHOT_BYTES = 262_144;
const ENCODER = new TextEncoder();

export class Mirror {
  #host;
  #desk;
  #say;
  #uuid;
  /** @type {string[]} ids of the open chat's messages that the room was shown */
  #known = [];

  /**
   * @param {object} given
   * @param {any} given.host
   * @param {{here: boolean, busy: boolean}} given.desk
   * @param {(payload: any) => void} given.say a CHAT_EVENT
   * @param {() => string} given.uuid
   */
  constructor({ host, desk, say, uuid }) {
    this.#host = host;
    this.#desk = desk;
    this.#say = say;
    this.#uuid = uuid;
    host.on('sent', (/** @type {number} */ index) => this.#added(index));
    host.on('received', (/** @type {number} */ index, /** @type {string} */ type) => this.#received(index, type));
    for (const name of ['edited', 'updated']) host.on(name, (/** @type {number} */ index) => this.#changed('edit', index));
    host.on('swiped', (/** @type {number} */ index) => this.#changed('swipe', index));
    host.on('deleted', () => this.#deleted());
    host.on('chatChanged', () => this.opened());
  }

  /** Another chat is open now, or another room is linked. */
  opened() {
    this.#known = this.#ids();
    if (this.#desk.here) this.#say({ op: 'chat', chatId: this.#host.at().chatId, id: '' });
  }

  /** CHAT_SNAPSHOT: the newest messages of the linked chat, oldest first. */
  snapshot(/** @type {number} */ limit = 50) {
    if (!this.#desk.here) throw new Refusal('Another chat is open in SillyTavern.', 9);
    const chatId = this.#host.at().chatId;
    const most = Math.min(Math.max(Math.trunc(Number(limit)) || 50, 1), 200);
    const all = this.#host.messages();
    /** @type {any[]} */
    const messages = [];
    let bytes = 0;
    for (const message of all.slice(-most).reverse()) {
      const body = { id: message.mark?.id ?? message.mark?.questionId ?? `${message.index}`, ...shown(message) };
      bytes += ENCODER.encode(JSON.stringify(body)).length;
      if (bytes > SNAPSHOT_BYTES) break;
      messages.unshift(body);
    }
    return { chatId, messages, truncated: messages.length < all.length };
  }

  // ---- inside

  /** Only what the desk does in the linked chat: neither a question of the hub nor what answers it. */
  #mine(/** @type {number} */ index) {
    if (!this.#desk.here || this.#desk.busy) return null;
    const message = this.#host.message(Number(index));
    return message && !message.mark?.requestId ? message : null;
  }

  #added(/** @type {number} */ index) {
    const message = this.#mine(index);
    if (!message) return;
    const id = message.mark?.id ?? this.#uuid();
    this.#host.mark(message.index, { id });
    this.#known = this.#ids();
    this.#tell('add', id, message);
  }

  #received(/** @type {number} */ index, /** @type {string} */ type) {
    if (type === 'first_message' || type === 'extension') return;
    const message = this.#mine(index);
    if (!message) return;
    if (!message.mark?.id) this.#added(index);
    else this.#tell(type === 'swipe' ? 'swipe' : 'edit', message.mark.id, message);
  }

  #changed(/** @type {'edit'|'swipe'} */ op, /** @type {number} */ index) {
    const message = this.#mine(index);
    // A swipe to an answer that is not there yet is told when it is.
    if (!message?.mark?.id || (op === 'swipe' && message.swipe >= message.swipes)) return;
    this.#tell(op, message.mark.id, message);
  }

  #deleted() {
    if (!this.#desk.here) return;
    const now = this.#ids();
    const left = new Set(now);
    const chatId = this.#host.at().chatId;
    for (const id of this.#known) if (!left.has(id)) this.#say({ op: 'delete', chatId, id });
    this.#known = now;
  }

  #ids() {
    return this.#desk.here ? this.#host.messages().map((/** @type {any} */ message) => message.mark?.id).filter(Boolean) : [];
  }

  #tell(/** @type {string} */ op, /** @type {string} */ id, /** @type {any} */ message) {
    this.#say({ op, chatId: this.#host.at().chatId, id, ...shown(message) });
  }
}

/** A message as CHAT_EVENT and CHAT_SNAPSHOT show it. @param {any} message */
function shown(message) {
  const { name, isUser, text, reasoning, character, swipe, swipes, at } = message;
  return {
    name,
    isUser,
    text,
    ...(reasoning ? { reasoning } : {}),
    ...(character ? { character } : {}),
    ...(swipes > 1 ? { swipe, swipes } : {}),
    at: typeof at === 'number' ? new Date(at).toISOString() : String(at),
  };
}
