// @ts-check
// The linked chat, shown in its room: what is sent, received, edited, deleted and swiped at the desk, never what was asked
// through the hub, and of this one chat file alone (contract 16.1, B17).

import { Refusal } from './refusal.js';

const SNAPSHOT_BYTES = 262_144;
const UNSAID = 100;
const ENCODER = new TextEncoder();

export class Mirror {
  #host;
  #desk;
  #say;
  #uuid;
  /** @type {Map<string, any>} the open chat's messages that the room was shown, as they were then, by their ids */
  #known = new Map();
  #chatId = ''; // theirs
  /** @type {any[]} events while the line was down */
  #unsaid = [];

  /**
   * @param {object} given
   * @param {any} given.host
   * @param {{here: boolean, busy: boolean}} given.desk
   * @param {(payload: any) => boolean} given.say a CHAT_EVENT; false when the line is down
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
    host.on('swipeDeleted', (/** @type {any} */ said) => this.#changed('swipe', said?.messageId));
    host.on('deleted', () => this.#deleted());
    host.on('chatChanged', () => this.opened());
  }

  /** Another chat is open now, or another room is linked. */
  opened() {
    const { chatId } = this.#host.at();
    const before = chatId === this.#chatId ? this.#known : new Map();
    this.#remember();
    if (!this.#desk.here) return;
    if (this.#say({ op: 'chat', chatId, id: '' })) for (const event of this.#unsaid.splice(0)) if (event.chatId === chatId) this.#send(event);
    // Loaded once more, as after something of which SillyTavern says nothing else: 1.13 of an answer's swipe that is deleted.
    for (const [id, message] of this.#known) {
      const { text, swipe, swipes } = before.get(id) ?? message;
      if (swipe !== message.swipe || swipes !== message.swipes) this.#tell('swipe', id, message);
      else if (text !== message.text) this.#tell('edit', id, message);
    }
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
      const { id, questionId, outputId } = message.mark ?? {};
      const body = { id: id ?? (message.isUser ? questionId : outputId) ?? `${message.index}`, ...shown(message) };
      bytes += ENCODER.encode(JSON.stringify(body)).length;
      if (bytes > SNAPSHOT_BYTES) break;
      messages.unshift(body);
    }
    return { chatId, messages, truncated: messages.length < all.length };
  }

  // ---- inside

  /** Only what the desk does in the linked chat: neither a question of the hub nor what answers it. */
  #mine(/** @type {number} */ index) {
    if (!this.#desk.here) return null;
    const message = this.#host.message(Number(index));
    return message && !message.mark?.requestId ? message : null;
  }

  #added(/** @type {number} */ index) {
    const message = this.#mine(index);
    if (!message) return;
    const id = message.mark?.id ?? this.#uuid();
    this.#host.mark(message.index, { id });
    this.#remember();
    this.#tell('add', id, message);
  }

  #received(/** @type {number} */ index, /** @type {string} */ type) {
    if (type === 'first_message' || type === 'extension') return;
    const message = this.#desk.busy && type !== 'command' ? null : this.#mine(index); // what answers the hub has no mark yet
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
    const before = this.#known;
    const chatId = this.#host.at().chatId;
    this.#remember();
    for (const id of before.keys()) if (!this.#known.has(id)) this.#send({ op: 'delete', chatId, id });
  }

  #remember() {
    const shown = this.#desk.here ? this.#host.messages() : [];
    this.#chatId = this.#desk.here ? this.#host.at().chatId : '';
    this.#known = new Map(shown.flatMap((/** @type {any} */ message) => (message.mark?.id ? [[message.mark.id, message]] : [])));
  }

  #tell(/** @type {string} */ op, /** @type {string} */ id, /** @type {any} */ message) {
    const { swipe, swipes } = message;
    this.#known.set(id, message);
    this.#send({ op, chatId: this.#host.at().chatId, id, ...shown(message), ...(op === 'swipe' ? { swipe, swipes } : {}) });
  }

  #send(/** @type {any} */ event) {
    if (this.#say(event)) return;
    this.#unsaid.push(event);
    if (this.#unsaid.length > UNSAID) this.#unsaid.shift();
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
