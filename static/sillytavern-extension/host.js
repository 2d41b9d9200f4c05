// @ts-check
// SillyTavern, as the rest of the extension sees it: what is here knows its modules and its page, and nothing else does but
// the prompts of prompt.js. Its exports differ from version to version: what is missing is said in `missing`.

// @ts-ignore
import * as script from '../../../../script.js';
// @ts-ignore
import * as extensions from '../../../extensions.js';
// @ts-ignore
import * as groups from '../../../group-chats.js';
import { Box } from './box.js';
import { restScripts, scripted, scriptsOf, withoutMakers } from './outsiders.js';
import { turn } from './turn.js';
import { View } from './view.js';

const NAME = 'newage';
const GENERATING_POLL_MS = 50;
const LEAVING_MS = 3_000;
const BEGINNING_MS = 20_000; // SillyTavern asks its server whether it is there before it says that it generates
const DOTS = '...'; // stand where an answer is to stream
const PICTURE_MAX = 65_536;
const PICTURE_WIDTH = 96; // pixels of one that is made smaller
// A message that is edited, a question of SillyTavern's, messages that are chosen to be deleted.
const ENGAGED = ['#chat :is(.edit_textarea, .reasoning_edit_textarea)', 'dialog[open]', '#dialogue_del_mes', '#shadow_popup'];
const FACE = 'img/user-default.png'; // of who is not the person at the desk; SillyTavern names a speaker to the model only with a face

// Extensions that run code which stands in messages: with one of them enabled, `<` of outsiders is broken as well (B16).
const RUN_CODE = /js-?slash-?runner|tavern-?helper|code-?runner|prompt-template|st-?script-?runner|html-?runner/i;

const NONE_RESTS = { raw: false, shown: false, wake() {} };
const NEEDED = ['generate', 'stopGeneration', 'eventSource', 'chat', 'saveChat', 'addOneMessage', 'updateMessageBlock', 'selectCharacterById'];

export class Host {
  /** @type {string[]} what this SillyTavern lacks for answers in the chat */
  missing = [];
  #regex = /** @type {any} */ (null);
  #touched = 0;
  #left = -Infinity;
  #begun = -Infinity; // when a generation did, of which its end was not heard yet
  #dry = false;
  /** @type {WeakSet<object>} prompts that are only counted */
  #counted = new WeakSet();
  #locked = false;
  #quiet = 0; // prompts that others are making beside the chat
  /** Whether the prompt that was made last may be one of others, beside the chat: SillyTavern does not say whose it is. */
  beside = false;
  #stop = new AbortController();
  #resting = NONE_RESTS;

  /** What the person at the desk types. */
  box = new Box();
  view = new View();

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
    this.missing.push(...['setSendButtonState', 'setExternalAbortController', 'deleteLastMessage'].filter((name) => typeof script[name] !== 'function'));
    this.missing.push(...['generateGroupWrapper', 'openGroupById'].filter((name) => typeof groups[name] !== 'function'));
    // @ts-ignore
    this.#regex = await import('../../regex/engine.js').catch(() => null);
    eventSource.on(eventTypes.GENERATION_STARTED, (/** @type {any} */ type, /** @type {any} */ _options, /** @type {boolean} */ dry) => {
      this.#dry = Boolean(dry);
      if (!dry && type !== 'quiet') this.#begun = performance.now();
      else if (!dry) this.#quiet += 1;
    });
    eventSource.on(eventTypes.GENERATE_AFTER_DATA, (/** @type {any} */ data, /** @type {unknown} */ dry) => {
      if (this.#isCounted(data, dry)) return;
      this.beside = this.#quiet > 0;
      if (this.beside) this.#quiet -= 1;
    });
    eventSource.on(eventTypes.GENERATION_ENDED, () => {
      this.#begun = -Infinity;
    });
    eventSource.on(eventTypes.CHAT_COMPLETION_PROMPT_READY, (/** @type {any} */ said) => {
      if (said?.dryRun && said.chat) this.#counted.add(said.chat);
    });
    const touch = () => {
      this.#touched = performance.now();
    };
    this.#touched = -Infinity;
    globalThis.addEventListener('beforeunload', () => {
      this.#left = performance.now();
    });
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

  /**
   * `editing`: the last message; `engaged`: something is under way at the desk that another chat would take away or meet.
   * @returns {{avatar: string, group: string, chatId: string, name: string, generating: boolean, saving: boolean, editing: boolean, engaged: boolean}}
   */
  at() {
    const st = this.#st;
    const character = st.groupId ? null : st.characters[st.characterId];
    const group = st.groupId ? st.groups.find((/** @type {any} */ one) => one.id === st.groupId) : null;
    return {
      avatar: character?.avatar ?? '',
      group: String(st.groupId ?? ''),
      chatId: String(st.getCurrentChatId?.() ?? st.chatId ?? ''),
      name: group?.name ?? character?.name ?? '',
      generating: Boolean(script.is_send_press) || Boolean(groups.is_group_generating) || document.body.dataset.generating === 'true' || document.body.dataset.swiping === 'true' || this.#unsaved || performance.now() - this.#begun < BEGINNING_MS,
      saving: Boolean(script.isChatSaving),
      editing: Boolean(document.querySelector('#chat .last_mes :is(.edit_textarea, .reasoning_edit_textarea)')),
      engaged: script.menu_type === 'create' || ENGAGED.some((selector) => [...document.querySelectorAll(selector)].some((one) => one.getClientRects().length > 0)),
    };
  }

  /** Resolves once it is sure that the page stays: SillyTavern stops what it generates when it may go, and nobody meant that. */
  async staying() {
    await turn(); // SillyTavern hears of it first
    if (performance.now() - this.#left < LEAVING_MS) await sleep(LEAVING_MS);
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

  /** Whether a character's chat is there. */
  async hasChat(/** @type {{avatar: string, chatId: string}} */ { avatar, chatId }) {
    const answer = await fetch('/api/characters/chats', {
      method: 'POST',
      headers: this.#st.getRequestHeaders(),
      body: JSON.stringify({ avatar_url: avatar, simple: true }),
    }).catch(() => null);
    const chats = answer?.ok ? await answer.json() : {};
    return Object.values(chats ?? {}).some((/** @type {any} */ one) => one?.file_name === `${chatId}.jsonl`);
  }

  /** Open a character's or group's chat; with no `chatId` the one that it had open last. */
  async open(/** @type {{avatar: string, group?: string, chatId?: string}} */ { avatar, group = '', chatId = '' }) {
    if (group) {
      if (this.at().group !== group) await groups.openGroupById(group);
      if (chatId && this.at().group === group && this.at().chatId !== chatId) await this.#st.openGroupChat(group, chatId);
      return;
    }
    const index = this.#st.characters.findIndex((/** @type {any} */ character) => character.avatar === avatar);
    if (index < 0) return;
    await this.#st.selectCharacterById(index, { switchMenu: false });
    if (chatId && this.at().avatar === avatar && this.at().chatId !== chatId) await this.#st.openCharacterChat(chatId);
  }

  /** Begin another chat with the character whose chat is open. */
  async newChat() {
    await script.doNewChat();
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

  /** Who speaks in the open chat: the person at the desk, and its characters. @returns {string[]} */
  speakers() {
    const st = this.#st;
    const group = st.groups.find((/** @type {any} */ one) => one.id === st.groupId);
    const members = new Set(group?.members ?? [st.characters[st.characterId]?.avatar]);
    return [st.name1, ...st.characters.filter((/** @type {any} */ one) => members.has(one.avatar)).map((/** @type {any} */ one) => one.name)].map(String);
  }

  /** Who has asked in the open chat through the hub, as whom. @returns {{clientId: string, name: string}[]} */
  guests() {
    const asked = this.#st.chat.filter((/** @type {any} */ message) => message.is_user && message.extra?.[NAME]?.clientId);
    return asked.map((/** @type {any} */ message) => ({ clientId: String(message.extra[NAME].clientId), name: String(message.name ?? '') }));
  }

  /** A character's small picture. @returns {Promise<{type: string, data: Uint8Array} | null>} */
  async picture(/** @type {string} */ id) {
    if (!this.#st.characters.some((/** @type {any} */ character) => character.avatar === id)) return null;
    const answer = await fetch(this.#st.getThumbnailUrl('avatar', id));
    if (!answer.ok) return null;
    const whole = await answer.blob();
    // SillyTavern gives the picture itself where it has no small one, as while it makes that
    const small = whole.size > PICTURE_MAX ? await smaller(whole).catch(() => null) : whole;
    if (!small || small.size > PICTURE_MAX) return null;
    return { type: small.type || 'image/png', data: new Uint8Array(await small.arrayBuffer()) };
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

  /** Write a mark into a message and the answer of it that is shown; it is saved with the chat. */
  mark(/** @type {number} */ index, /** @type {any} */ mark) {
    const message = this.#st.chat[index];
    if (!message) return;
    (message.extra ??= {})[NAME] = mark;
    const info = message.swipe_info?.[message.swipe_id];
    if (info) (info.extra ??= {})[NAME] = mark;
  }

  /**
   * Put somebody's message at the end of the chat. SillyTavern's own way would take the files that the person at the desk has
   * ready, and would run macros that a regex script puts together again. Not said where the chat is not `here` any more.
   */
  async say(/** @type {{text: string, name: string, mark: any, calm: (text: string) => string, here: () => boolean}} */ { text, name, mark, calm, here }) {
    const st = this.#st;
    const mes = calm(this.#scripted(text, 'USER_INPUT'));
    const message = { name, is_user: true, is_system: false, send_date: new Date().toISOString(), mes, force_avatar: FACE, extra: { isSmallSys: false, [NAME]: mark } };
    if (st.powerUserSettings?.message_token_count_enabled) Object.assign(message.extra, { token_count: await st.getTokenCountAsync(message.mes, 0) });
    if (!here()) return;
    st.chatMetadata.tainted = true;
    const index = st.chat.push(message) - 1;
    await st.saveChat();
    if (!here()) return;
    await st.eventSource.emit(st.eventTypes.MESSAGE_SENT, index);
    st.addOneMessage(message);
    await st.eventSource.emit(st.eventTypes.USER_MESSAGE_RENDERED, index);
  }

  #scripts() {
    const st = this.#st;
    return this.#regex ? scriptsOf(this.#regex, st.extensionSettings, st.characters[st.characterId]) : [];
  }

  /** What the host's regex scripts make of it, and run nothing by. */
  #scripted(/** @type {string} */ text, /** @type {'USER_INPUT'|'AI_OUTPUT'|'REASONING'} */ place) {
    const placement = this.#regex?.regex_placement[place];
    if (placement === undefined) return text;
    return withoutMakers(this.#scripts(), () => scripted(text, (held) => this.#regex.getRegexedString(held, placement)));
  }

  /** From now on the host's regex scripts pass over the answer that is being written, as far as it could run something. */
  rest() {
    this.wake();
    const { AI_OUTPUT, REASONING } = this.#regex?.regex_placement ?? {};
    this.#resting = restScripts(this.#scripts(), [AI_OUTPUT, REASONING].filter((place) => place !== undefined));
  }

  /** They pass over nothing. @returns {{raw: boolean, shown: boolean}} what has rested till now */
  wake() {
    const { raw, shown, wake } = this.#resting;
    wake();
    this.#resting = NONE_RESTS;
    return { raw, shown };
  }

  /**
   * What was generated at `index` does nothing from now on, and is known as an answer of the hub's.
   * @returns {Promise<{text: string, reasoning: string} | null>} as it stands there; null if it is no answer
   */
  async settle(/** @type {number} */ index, /** @type {{mark: any, calm: (text: string) => string, save: boolean}} */ { mark, calm, save }) {
    const st = this.#st;
    const message = st.chat[index];
    const rested = this.wake();
    if (!message || message.is_user || message.is_system) return null;
    const extra = (message.extra ??= {});
    const before = JSON.stringify([message.mes, extra.reasoning, extra[NAME]]);
    const done = (/** @type {string} */ text, /** @type {'AI_OUTPUT'|'REASONING'} */ place) => calm(rested.raw ? this.#scripted(text, place) : text);
    message.mes = done(message.mes, 'AI_OUTPUT');
    if (extra.reasoning) extra.reasoning = done(extra.reasoning, 'REASONING');
    extra[NAME] = mark;
    if (Array.isArray(message.swipes)) message.swipes = message.swipes.map((/** @type {any} */ text, /** @type {number} */ at) => (at === message.swipe_id ? message.mes : text));
    if (message.swipe_info?.[message.swipe_id]?.extra) Object.assign(message.swipe_info[message.swipe_id].extra, { [NAME]: mark, ...(extra.reasoning ? { reasoning: extra.reasoning } : {}) });
    if (rested.shown || before !== JSON.stringify([message.mes, extra.reasoning, extra[NAME]])) {
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

  /** Nobody at the desk can send, generate or open another chat, until a generation of ours is over, or `unlock`. */
  lock() {
    this.#locked = true;
    script.setSendButtonState(true);
  }

  /**
   * SillyTavern unlocks the desk before an answer is saved, and in a group after each member: it stays locked, unless
   * SillyTavern is to let the answer go on, or to make another one, by itself, which it does at an unlocked desk alone.
   */
  keep() {
    if (!this.goesOn && !this.#st.powerUserSettings?.auto_swipe) this.lock();
  }

  /** It stays locked for what generates next, of which SillyTavern unlocks it at the end. */
  handOver() {
    script.setSendButtonState(true);
    this.#locked = false;
  }

  /** Whether a generation that starts, while one of ours goes on, is none of that: what belongs to it has its signal. */
  isForeign(/** @type {string} */ type, /** @type {{signal?: AbortSignal} | undefined} */ options) {
    const ofItself = type === 'swipe' || (type === 'continue' && this.goesOn); // as SillyTavern does
    return !options?.signal && type !== 'quiet' && !ofItself;
  }

  unlock() {
    if (this.#locked) script.setSendButtonState(false);
    this.#locked = false;
  }

  /** Generate in the open chat; SillyTavern unlocks the desk at the end. */
  generate(/** @type {string} */ type) {
    return this.#handed((signal) => this.#st.generate(type, { signal }));
  }

  /** All members of the group whose turn it is answer. SillyTavern's own `generate` would say its words for an empty box. */
  generateGroup() {
    return this.#handed((signal) => groups.generateGroupWrapper(true, 'normal', { signal }));
  }

  /** With a signal of ours it can be stopped from its first moment on: SillyTavern makes its own some time later. */
  async #handed(/** @type {(signal: AbortSignal) => Promise<any>} */ generate) {
    this.#stop = new AbortController();
    script.setExternalAbortController(this.#stop);
    this.#locked = false;
    try {
      return await generate(this.#stop.signal);
    } catch (error) {
      script.setSendButtonState(false);
      throw error;
    } finally {
      this.#begun = -Infinity;
    }
  }

  /** One more answer beside those that the last message has; the one that was shown is shown again if there comes none. */
  async swipe() {
    const message = this.#st.chat.at(-1);
    const index = this.#st.chat.length - 1;
    this.#keepSwipe(message);
    const shown = message.swipe_id;
    const count = message.swipes.length;
    message.swipe_id = count;
    for (const name of ['memory', 'display_text', 'media', 'inline_image', 'files', 'fileLength', 'title']) delete message.extra?.[name];
    let done;
    try {
      done = await this.generate('swipe');
      return done;
    } finally {
      // Of what broke before its first words SillyTavern keeps three dots.
      const none = message.swipe_id >= message.swipes.length || (done === undefined && message.swipe_id === count && ['', DOTS].includes(message.mes));
      if (this.#st.chat[index] === message && none) {
        for (const list of [message.swipes, message.swipe_info]) list.length = Math.min(list.length, count);
        this.wake();
        await this.show(index, shown);
      }
    }
  }

  /** What stands in a message is kept as the answer of it that is shown. */
  #keepSwipe(/** @type {any} */ message) {
    message.extra ??= {};
    if (message.swipe_id === undefined || !Array.isArray(message.swipes)) Object.assign(message, { swipe_id: 0, swipes: [message.mes], swipe_info: [] });
    if (!Array.isArray(message.swipe_info)) message.swipe_info = [];
    const { send_date, gen_started, gen_finished, extra, swipe_id: at } = message;
    message.swipes[at] = message.mes;
    message.swipe_info[at] = { send_date, gen_started, gen_finished, extra: structuredClone(extra) };
  }

  /** Show another of the answers that a message has. */
  async show(/** @type {number} */ index, /** @type {number} */ swipe) {
    const st = this.#st;
    const message = st.chat[index];
    if (message.swipe_id < message.swipes.length) this.#keepSwipe(message);
    const { extra, ...times } = message.swipe_info?.[swipe] ?? {};
    Object.assign(message, times, { swipe_id: swipe, mes: message.swipes[swipe], extra: structuredClone(extra ?? {}) });
    if (document.querySelector(`#chat .mes[mesid="${index}"]`)) st.addOneMessage(message, { type: 'swipe', forceId: index, scroll: false });
    await st.eventSource.emit(st.eventTypes.MESSAGE_SWIPED, index);
    await st.saveChat();
  }

  /** Which answer of the message is the one that the hub knows as this output; -1 if there is none. */
  swipeOf(/** @type {number} */ index, /** @type {string} */ outputId) {
    const message = this.#st.chat[index];
    if (message?.extra?.[NAME]?.outputId === outputId) return Number(message.swipe_id ?? 0);
    return (message?.swipe_info ?? []).findIndex((/** @type {any} */ info) => info?.extra?.[NAME]?.outputId === outputId);
  }

  /** Take the answers to a question away from the end of the chat. @returns {Promise<() => Promise<void>>} put them back */
  async takeAnswers(/** @type {string} */ questionId) {
    const st = this.#st;
    /** @type {any[]} */
    const taken = [];
    while (!st.chat.at(-1)?.is_user && st.chat.at(-1)?.extra?.[NAME]?.questionId === questionId) {
      taken.unshift(st.chat.at(-1));
      await script.deleteLastMessage();
    }
    return async () => {
      for (const message of taken) {
        st.chat.push(message);
        st.addOneMessage(message);
      }
      await st.saveChat();
    };
  }

  /** Whether SillyTavern lets a short answer go on by itself. */
  get goesOn() {
    return Boolean(this.#st.powerUserSettings?.auto_continue?.enabled);
  }

  /** Resolves when nothing is generated any more. */
  async quiet() {
    while (this.at().generating) await sleep(GENERATING_POLL_MS);
  }

  stop() {
    this.#st.stopGeneration();
  }

  /** Whether what was generated last has been stopped, by whomever. */
  get stopped() {
    return this.#stop.signal.aborted;
  }

  /** The message that streams, whatever its place. */
  streamed() {
    const { chat, streamingProcessor } = this.#st;
    return chat[streamingProcessor?.messageId] ?? null;
  }

  /** Whether what streamed has broken. */
  broken() {
    return Boolean(this.#st.streamingProcessor?.isStopped);
  }

  /** Whether an answer has streamed that SillyTavern has yet to save, into the chat that is open then: it is unlocked meanwhile. */
  get #unsaved() {
    const { streamingProcessor } = this.#st;
    return Boolean(streamingProcessor?.isFinished && !streamingProcessor.isStopped && !streamingProcessor.abortController?.signal.aborted);
  }

  /** Whether an answer streams now. */
  get #streaming() {
    const { streamingProcessor } = this.#st;
    return Boolean(streamingProcessor && !streamingProcessor.isFinished && !streamingProcessor.isStopped);
  }

  /** Where a message is now; -1 if it is in this chat no more. SillyTavern counts on it that nobody takes one out before it. */
  placeOf(/** @type {any} */ message) {
    const { chat, streamingProcessor } = this.#st;
    const index = chat.lastIndexOf(message);
    if (streamingProcessor && index >= 0) streamingProcessor.messageId = index;
    return index;
  }

  /** What was generated has no place any more: nothing of it may be written into what is there now. */
  abandon() {
    const { streamingProcessor } = this.#st;
    this.#st.stopGeneration();
    if (!streamingProcessor) return;
    // It would write what it has into whatever message is at its place.
    Object.assign(streamingProcessor, { isStopped: true, messageId: -1 });
    streamingProcessor.markUIGenStopped?.();
    script.setSendButtonState(false);
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

  // ---- events

  /**
   * Hear of the desk: 'started'(type), 'stopped'(), 'token'(text), 'drafted'(character's index), 'received'(index, type),
   * 'afterData'(), 'sent'(index), 'edited'(index), 'deleted'(), 'swiped'(index), 'swipeDeleted'({messageId}), 'chatChanged'(),
   * 'chatRenamed'({avatarId, groupId, oldFileName, newFileName}), 'chatDeleted'(its name), 'groupChatDeleted'(its name),
   * 'characterRenamed'(old id, new id), 'characterDeleted'({character}).
   * What waits for it, waits for `heard`; what is only counted, and generates nothing, is not heard of, nor is an answer that
   * has yet to stream, nor that somebody else begins to ask a model beside the chat.
   * @returns {() => void} stop hearing
   */
  on(/** @type {keyof typeof EVENTS} */ name, /** @type {(...args: any[]) => any} */ heard) {
    const { eventSource, eventTypes } = this.#st;
    const event = eventTypes[EVENTS[name]];
    if (!event) return () => {};
    const react = (/** @type {any[]} */ ...args) => {
      if (name === 'afterData' && this.#isCounted(args[0], args[1])) return undefined;
      if (name === 'received' && BEGUN.has(args[1]) && this.#streaming) return undefined;
      if (name === 'started' && (args[2] || args[0] === 'quiet')) return undefined;
      return heard(...args);
    };
    eventSource.on(event, react);
    return () => eventSource.removeListener(event, react);
  }

  /** Whether a prompt has been made to be counted alone; it may have been begun before or after one that is sent. */
  #isCounted(/** @type {any} */ data, /** @type {unknown} */ dry) {
    if (typeof dry === 'boolean') return dry;
    // 1.13 says it not: there the prompt of a chat completion is known again, and others it counts for nobody but extensions.
    return this.#st.mainApi === 'openai' ? this.#counted.has(data?.prompt) : this.#dry;
  }
}

const BEGUN = new Set(['swipe', 'continue', 'append']); // of these SillyTavern 1.13 says that they are received as they begin to stream
const EVENTS = {
  started: 'GENERATION_STARTED',
  stopped: 'GENERATION_STOPPED',
  token: 'STREAM_TOKEN_RECEIVED',
  drafted: 'GROUP_MEMBER_DRAFTED',
  received: 'MESSAGE_RECEIVED',
  afterData: 'GENERATE_AFTER_DATA',
  sent: 'MESSAGE_SENT',
  edited: 'MESSAGE_EDITED',
  updated: 'MESSAGE_UPDATED',
  deleted: 'MESSAGE_DELETED',
  swiped: 'MESSAGE_SWIPED',
  swipeDeleted: 'MESSAGE_SWIPE_DELETED',
  chatChanged: 'CHAT_CHANGED',
  chatRenamed: 'CHAT_RENAMED',
  chatDeleted: 'CHAT_DELETED',
  groupChatDeleted: 'GROUP_CHAT_DELETED',
  characterRenamed: 'CHARACTER_RENAMED',
  characterDeleted: 'CHARACTER_DELETED',
};

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** A picture of `PICTURE_WIDTH`. @param {Blob} picture @returns {Promise<Blob>} */
async function smaller(picture) {
  const bitmap = await createImageBitmap(picture, { resizeWidth: PICTURE_WIDTH, resizeQuality: 'high' });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d')).drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 });
}
