// @ts-check
// SillyTavern, as the rest of the extension sees it: what is here knows its modules and its page, and nothing else does but
// the prompts of prompt.js. Its exports differ from version to version: what is missing is said in `missing`.

// @ts-ignore
import * as script from '../../../../script.js';
// @ts-ignore
import * as extensions from '../../../extensions.js';
import { scripted } from './outsiders.js';

const NAME = 'newage';
const GENERATING_POLL_MS = 50;
const PICTURE_MAX = 65_536;
const BOX = 'send_textarea';

// Extensions that run code which stands in messages: with one of them enabled, `<` of outsiders is broken as well (B16).
const RUN_CODE = /js-?slash-?runner|tavern-?helper|code-?runner|prompt-template|st-?script-?runner|html-?runner/i;

const NEEDED = ['generate', 'stopGeneration', 'eventSource', 'chat', 'saveChat', 'addOneMessage', 'updateMessageBlock', 'selectCharacterById'];

export class Host {
  /** @type {string[]} what this SillyTavern lacks for answers in the chat */
  missing = [];
  #regex = /** @type {any} */ (null);
  #touched = 0;
  #dry = false;

  /** @returns {any} */
  get #st() {
    return /** @type {any} */ (globalThis).SillyTavern.getContext();
  }

  /** Resolves when SillyTavern is ready: at once where it has been for long. */
  async ready() {
    const { eventSource, eventTypes } = this.#st;
    await new Promise((resolve) => {
      eventSource.on(eventTypes.APP_READY, () => resolve(undefined)); // told again to who comes late
      if (document.querySelector('#extensions_settings2') && this.#st.characters?.length) resolve(undefined);
    });
    this.missing = NEEDED.filter((name) => this.#st[name] === undefined);
    if (typeof this.#st.swipe?.right !== 'function') this.missing.push('swipe.right');
    // @ts-ignore
    this.#regex = await import('../../regex/engine.js').catch(() => null);
    eventSource.on(eventTypes.GENERATION_STARTED, (/** @type {any} */ _type, /** @type {any} */ _options, /** @type {boolean} */ dry) => {
      this.#dry = Boolean(dry);
    });
    const touch = () => {
      this.#touched = performance.now();
    };
    this.#touched = -Infinity;
    for (const event of ['pointerdown', 'keydown', 'wheel', 'touchstart']) document.addEventListener(event, touch, { capture: true, passive: true });
  }

  // ---- settings and page

  /** @returns {any} the extension's own settings, kept by SillyTavern */
  get settings() {
    return (this.#st.extensionSettings[NAME] ??= {});
  }

  save() {
    this.#st.saveSettingsDebounced();
  }

  /** Resolves when they are on disk. */
  async saved() {
    await script.saveSettings();
  }

  /** @returns {string} words in the language of the page */
  translate(/** @type {string} */ words) {
    return this.#st.translate?.(words) ?? words;
  }

  get port() {
    return location.port;
  }

  /** The hub's address for who has not said another: browsers let no page of a LAN reach `localhost`. */
  get address() {
    return `${location.protocol === 'https:' ? 'https:' : 'http:'}//${location.hostname || 'localhost'}:4000`;
  }

  /** Names of enabled extensions that match. */
  #enabled(/** @type {RegExp} */ pattern) {
    const off = new Set(extensions.extension_settings?.disabledExtensions ?? []);
    return (extensions.extensionNames ?? []).filter((/** @type {string} */ name) => !off.has(name) && pattern.test(name)).map((/** @type {string} */ name) => name.replace(/^third-party\//, ''));
  }

  /** @returns {string[]} extensions by which text of a message could run */
  runsCode() {
    return this.#enabled(RUN_CODE);
  }

  /** Whether the reference extension is enabled as well. */
  get reference() {
    return this.#enabled(/sillytavern-?newage/i).length > 0 || Boolean(/** @type {any} */ (globalThis).llmSocket);
  }

  // ---- where the desk is

  /** @returns {{avatar: string, group: string, chatId: string, name: string, generating: boolean, saving: boolean}} */
  at() {
    const st = this.#st;
    const character = st.groupId ? null : st.characters[st.characterId];
    const group = st.groupId ? st.groups.find((/** @type {any} */ one) => one.id === st.groupId) : null;
    return {
      avatar: character?.avatar ?? '',
      group: String(st.groupId ?? ''),
      chatId: String(st.getCurrentChatId?.() ?? st.chatId ?? ''),
      name: group?.name ?? character?.name ?? '',
      generating: Boolean(script.is_send_press) || document.body.dataset.generating === 'true',
      saving: Boolean(script.isChatSaving),
    };
  }

  /** How long nobody has touched the page. */
  idleMs() {
    return performance.now() - this.#touched;
  }

  /** Whether the linked character or group is still there. */
  has(/** @type {{avatar: string, group: string}} */ link) {
    const st = this.#st;
    if (link.group) return st.groups.some((/** @type {any} */ group) => String(group.id) === link.group);
    return st.characters.some((/** @type {any} */ character) => character.avatar === link.avatar);
  }

  /** Open a character's or group's chat; with no `chatId` the one that it had open last. */
  async open(/** @type {{avatar: string, group?: string, chatId?: string}} */ { avatar, group = '', chatId = '' }) {
    if (group) {
      await this.#st.openGroupChat(group, chatId);
      return;
    }
    const index = this.#st.characters.findIndex((/** @type {any} */ character) => character.avatar === avatar);
    if (index < 0) return;
    await this.#st.selectCharacterById(index, { switchMenu: false });
    if (chatId && this.at().avatar === avatar && this.at().chatId !== chatId) await this.#st.openCharacterChat(chatId);
  }

  // ---- characters

  /** @returns {{id: string, name: string, tags: string[]}[]} */
  characters() {
    const st = this.#st;
    const names = new Map((st.tags ?? []).map((/** @type {any} */ tag) => [tag.id, String(tag.name)]));
    return st.characters.map((/** @type {any} */ character) => ({
      id: character.avatar,
      name: String(character.name),
      tags: (st.tagMap?.[character.avatar] ?? []).map((/** @type {string} */ id) => names.get(id)).filter(Boolean),
    }));
  }

  /** @returns {{id: string, name: string} | null} that of an index, or the one that answers in the open chat */
  character(/** @type {number | undefined} */ index = undefined) {
    const st = this.#st;
    const character = st.characters[index ?? st.characterId];
    return character ? { id: character.avatar, name: String(character.name) } : null;
  }

  /** A character's small picture. @returns {Promise<{type: string, data: Uint8Array} | null>} */
  async picture(/** @type {string} */ id) {
    if (!this.#st.characters.some((/** @type {any} */ character) => character.avatar === id)) return null;
    const answer = await fetch(this.#st.getThumbnailUrl('avatar', id));
    if (!answer.ok) return null;
    const data = new Uint8Array(await answer.arrayBuffer());
    return data.length > PICTURE_MAX ? null : { type: answer.headers.get('content-type') ?? 'image/png', data };
  }

  // ---- the open chat

  /** @returns {any[]} messages as `#seen` shows them */
  messages() {
    return this.#st.chat.map((/** @type {any} */ message, /** @type {number} */ index) => this.#seen(message, index)).filter((/** @type {any} */ one) => one !== null);
  }

  message(/** @type {number} */ index) {
    return this.#seen(this.#st.chat[index], index);
  }

  last() {
    return this.message(this.#st.chat.length - 1);
  }

  #seen(/** @type {any} */ message, /** @type {number} */ index) {
    if (!message || message.is_system) return null;
    const avatar = message.original_avatar ?? (message.is_user ? '' : this.at().avatar);
    return {
      index,
      name: String(message.name ?? ''),
      isUser: Boolean(message.is_user),
      text: String(message.mes ?? ''),
      reasoning: String(message.extra?.reasoning ?? ''),
      swipe: Number(message.swipe_id ?? 0),
      swipes: message.swipes?.length ?? 1,
      at: message.send_date ?? '',
      mark: message.extra?.[NAME] ?? null,
      character: avatar ? { id: avatar, name: String(message.name ?? '') } : null,
    };
  }

  /** Whether a question of the hub stands in this chat. */
  knows(/** @type {string} */ questionId) {
    return this.#st.chat.some((/** @type {any} */ message) => message.extra?.[NAME]?.questionId === questionId);
  }

  /** Write a mark into a message; it is saved with the chat. */
  mark(/** @type {number} */ index, /** @type {any} */ mark) {
    const message = this.#st.chat[index];
    if (message) (message.extra ??= {})[NAME] = mark;
  }

  /**
   * Put somebody's message at the end of the chat. SillyTavern's own way would take the files that the person at the desk has
   * ready, and would run macros that a regex script puts together again.
   */
  async say(/** @type {{text: string, name: string, mark: any, calm: (text: string) => string}} */ { text, name, mark, calm }) {
    const st = this.#st;
    const scripts = (/** @type {string} */ held) => this.#regex.getRegexedString(held, this.#regex.regex_placement.USER_INPUT);
    const mes = calm(this.#regex ? scripted(text, scripts) : text);
    const message = { name, is_user: true, is_system: false, send_date: new Date().toISOString(), mes, extra: { isSmallSys: false, [NAME]: mark } };
    if (st.powerUserSettings?.message_token_count_enabled) Object.assign(message.extra, { token_count: await st.getTokenCountAsync(message.mes, 0) });
    st.chatMetadata.tainted = true;
    const index = st.chat.push(message) - 1;
    await st.saveChat();
    await st.eventSource.emit(st.eventTypes.MESSAGE_SENT, index);
    st.addOneMessage(message);
    await st.eventSource.emit(st.eventTypes.USER_MESSAGE_RENDERED, index);
    return index;
  }

  /**
   * What was generated at `index` does nothing from now on, and is known as an answer of the hub's.
   * @returns {Promise<{text: string, reasoning: string} | null>} as it stands there; null if it is no answer
   */
  async settle(/** @type {number} */ index, /** @type {{mark: any, calm: (text: string) => string, save: boolean}} */ { mark, calm, save }) {
    const st = this.#st;
    const message = st.chat[index];
    if (!message || message.is_user || message.is_system) return null;
    const extra = (message.extra ??= {});
    const before = JSON.stringify([message.mes, extra.reasoning, extra[NAME]]);
    message.mes = calm(message.mes);
    if (extra.reasoning) extra.reasoning = calm(extra.reasoning);
    extra[NAME] = mark;
    if (Array.isArray(message.swipes)) message.swipes = message.swipes.map((/** @type {any} */ text, /** @type {number} */ at) => (at === message.swipe_id ? message.mes : text));
    if (message.swipe_info?.[message.swipe_id]?.extra) Object.assign(message.swipe_info[message.swipe_id].extra, { [NAME]: mark, ...(extra.reasoning ? { reasoning: extra.reasoning } : {}) });
    if (before !== JSON.stringify([message.mes, extra.reasoning, extra[NAME]])) {
      if (document.querySelector(`#chat .mes[mesid="${index}"]`)) st.updateMessageBlock(index, message);
      if (save) await st.saveChat();
    }
    return { text: message.mes, reasoning: String(extra.reasoning ?? '') };
  }

  /**
   * Messages of outsiders on their way into a prompt, after regex scripts for prompts: SillyTavern's interceptor, which gets
   * copies. Wired by index.js under the name that the manifest says.
   */
  intercept(/** @type {any[]} */ chat, /** @type {(text: string) => string} */ calm) {
    for (const message of chat) if (message.extra?.[NAME]?.requestId && !message.extra[NAME].trusted) message.mes = calm(message.mes);
  }

  // ---- generating

  /** Whether answers come token by token. */
  streams() {
    const st = this.#st;
    if (typeof script.isStreamingEnabled === 'function') return Boolean(script.isStreamingEnabled());
    return st.mainApi === 'openai' ? Boolean(st.chatCompletionSettings?.stream_openai) : true;
  }

  generate(/** @type {string} */ type) {
    return this.#st.generate(type);
  }

  /** One more answer beside the last one; resolves when it is there (1.13 resolves at once). */
  async swipe() {
    const st = this.#st;
    const message = st.chat.at(-1);
    const swipes = message?.swipes?.length ?? 1;
    while ((message?.swipe_id ?? 0) < swipes - 1) await this.#swipeOn(message);
    await st.swipe.right();
    while (this.at().generating) await sleep(GENERATING_POLL_MS);
  }

  async #swipeOn(/** @type {any} */ message) {
    const before = message.swipe_id;
    await this.#st.swipe.right();
    for (let tries = 0; message.swipe_id === before && tries < 40; tries += 1) await sleep(GENERATING_POLL_MS);
    if (message.swipe_id === before) message.swipe_id = message.swipes.length - 1;
  }

  stop() {
    this.#st.stopGeneration();
  }

  /** What SillyTavern has put after the text that `continue` goes on from, and shows with it. */
  continued() {
    return String(this.#st.streamingProcessor?.continueMessage ?? '');
  }

  /**
   * Hear what SillyTavern tells the person at the desk of a model server's errors: of a broken stream it tells nobody else.
   * @returns {() => void} stop hearing
   */
  troubles(/** @type {(words: string) => void} */ heard) {
    const { toastr } = /** @type {any} */ (globalThis);
    if (!toastr) return () => {};
    const shown = toastr.error;
    const listening = (/** @type {any[]} */ ...args) => {
      if (/API|generation/i.test(String(args[1] ?? ''))) heard(String(args[0] ?? ''));
      return shown.apply(toastr, args);
    };
    toastr.error = listening;
    return () => {
      if (toastr.error === listening) toastr.error = shown;
    };
  }

  /** What the model has thought in the generation that streams. */
  reasoning() {
    return String(this.#st.streamingProcessor?.reasoningHandler?.reasoning ?? '');
  }

  // ---- the text box of the desk

  /** Empty it; what was in it. */
  takeBox() {
    const box = this.#box();
    const kept = box?.value ?? '';
    this.#write(box, '');
    return kept;
  }

  /** Put it back, before what was typed since. */
  giveBox(/** @type {string} */ kept) {
    const box = this.#box();
    if (kept) this.#write(box, kept + (box?.value ?? ''));
  }

  #box() {
    return /** @type {HTMLTextAreaElement | null} */ (document.getElementById(BOX));
  }

  #write(/** @type {HTMLTextAreaElement | null} */ box, /** @type {string} */ text) {
    if (!box || box.value === text) return;
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
  }

  // ---- events

  /**
   * Hear of the desk: 'token'(text), 'drafted'(character's index), 'received'(index, type), 'afterData'(), 'groupFinished'(),
   * 'sent'(index), 'edited'(index), 'deleted'(), 'swiped'(index), 'chatChanged'(). What waits for it, waits for `heard`.
   * @returns {() => void} stop hearing
   */
  on(/** @type {keyof typeof EVENTS} */ name, /** @type {(...args: any[]) => any} */ heard) {
    const { eventSource, eventTypes } = this.#st;
    const event = eventTypes[EVENTS[name]];
    if (!event) return () => {};
    const react = (/** @type {any[]} */ ...args) => {
      if (name === 'afterData' && (args[1] === true || this.#dry)) return undefined;
      return heard(...args);
    };
    eventSource.on(event, react);
    return () => eventSource.removeListener(event, react);
  }
}

const EVENTS = {
  token: 'STREAM_TOKEN_RECEIVED',
  drafted: 'GROUP_MEMBER_DRAFTED',
  received: 'MESSAGE_RECEIVED',
  afterData: 'GENERATE_AFTER_DATA',
  groupFinished: 'GROUP_WRAPPER_FINISHED',
  sent: 'MESSAGE_SENT',
  edited: 'MESSAGE_EDITED',
  updated: 'MESSAGE_UPDATED',
  deleted: 'MESSAGE_DELETED',
  swiped: 'MESSAGE_SWIPED',
  chatChanged: 'CHAT_CHANGED',
};

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
