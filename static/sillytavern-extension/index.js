// @ts-check
// The start, and what is wired with what.

import { answer } from './answer.js';
import { Characters } from './characters.js';
import { Desk } from './desk.js';
import { Host } from './host.js';
import { connect } from './hub.js';
import { Mirror } from './mirror.js';
import { breakText } from './outsiders.js';
import { Panel } from './panel.js';
import { headless, headlessSupport } from './prompt.js';
import { Queue } from './queue.js';
import { parseAsk } from './request.js';
import { Refusal } from './refusal.js';

export const VERSION = '0.1.1';

const DEFAULTS = {
  address: '', // '' is port 4000 of the host that SillyTavern was opened with
  name: '',
  key: '',
  suffix: '',
  mode: 'all', // 'all': linked chat and other rooms; 'chat': the linked chat alone; 'off'
  link: null,
  character: '', // who answers in other rooms, where the request names nobody
  offered: null, // ids; null: all
  selectable: false,
  persona: false,
  trusted: [],
};

class Extension {
  #host = new Host();
  /** @type {any} */
  #line = null;
  #state = { state: 'off', message: '' };
  #problem = '';
  /** @type {any} prompts of our own words; null where this SillyTavern lacks what they need */
  #prompt = null;

  async start() {
    const host = this.#host;
    await host.ready();
    this.settings = host.settings;
    for (const [name, value] of Object.entries(DEFAULTS)) this.settings[name] ??= structuredClone(value);
    this.#prompt = await headlessPrompts();
    this.characters = new Characters({ host, settings: this.settings });
    this.desk = new Desk({ host, link: () => this.settings.link, trusts: (id) => this.settings.trusted.includes(id) });
    this.mirror = new Mirror({
      host,
      desk: this.desk,
      say: (event) => this.settings.mode !== 'off' && this.#line?.say('CHAT_EVENT', event),
      uuid: () => this.#line?.line.world.uuid() ?? String(Math.random()).slice(2),
    });
    this.queue = new Queue({ changed: () => this.panel?.refresh() });
    Object.assign(globalThis, {
      newageInterceptor: (/** @type {any[]} */ chat) => host.intercept(chat, (text) => breakText(text, { markup: host.runsCode().length > 0 })),
    });
    this.panel = new Panel({ host, extension: this });
    this.panel.show();
    this.connect();
  }

  // ---- for the panel

  get state() {
    return this.#state;
  }

  get problem() {
    return this.#problem;
  }

  get version() {
    return VERSION;
  }

  get clientId() {
    return `SillyTavern-${this.#host.port}`;
  }

  get identity() {
    return this.settings.suffix ? `${this.clientId}-${this.settings.suffix}` : this.clientId;
  }

  get headless() {
    return this.#prompt !== null;
  }

  /** Connect with what the settings say now, and perhaps a pairing code. */
  connect(pair = '') {
    this.#line?.close();
    this.#line = null;
    this.#problem = '';
    if (this.settings.mode === 'off') {
      this.#become({ state: 'off', message: '' });
      return;
    }
    this.#become({ state: 'connecting', message: '' });
    const line = connect({
      settings: { ...this.settings, address: this.settings.address || this.#host.address },
      port: this.#host.port,
      pair,
      version: VERSION,
      request: (task) => this.#request(task),
      calls: this.#calls(),
      keep: (key) => {
        this.change({ key });
        return this.#host.saved();
      },
      state: (state) => this.#line === line && this.#become(state),
      up: () => this.tellLink(),
      problem: (message) => {
        this.#problem = message;
        this.panel?.refresh();
      },
    });
    this.#line = line;
  }

  /** Another tab, or another installation with the same port, serves; serve here again. */
  takeOver({ apart = false } = {}) {
    if (apart) this.change({ suffix: Math.random().toString(36).slice(2, 8) });
    this.connect();
  }

  change(/** @type {any} */ settings) {
    Object.assign(this.settings, settings);
    this.#host.save();
    this.panel?.refresh();
  }

  /** Bind a room to the chat that is open now. */
  async link(/** @type {string} */ room) {
    const at = this.#host.at();
    if (!room || (!at.avatar && !at.group) || !at.chatId) throw new Refusal('Open the chat first that the room is to be served in.');
    this.change({ link: { room, avatar: at.avatar, group: at.group, chatId: at.chatId, title: `${at.name} · ${at.chatId}` } });
    await this.tellLink();
  }

  async unlink() {
    this.change({ link: null });
    await this.tellLink();
  }

  /** Which room is served in the chat; the hub says whether it may be. */
  async tellLink() {
    try {
      await this.#line?.call('SET_CHAT_ROOM', { roomName: this.settings.link?.room ?? null });
      this.#problem = '';
    } catch (error) {
      if (this.settings.link) this.#problem = /** @type {any} */ (error).message;
    }
    this.mirror?.opened();
    this.panel?.refresh();
  }

  /** Milliseconds to the hub and back. */
  async test() {
    const began = performance.now();
    await this.#line.call('GET_MESSAGES', { limit: 1 }, { timeoutMs: 5_000 });
    return Math.round(performance.now() - began);
  }

  // ---- inside

  #become(/** @type {{state: string, message: string}} */ state) {
    this.#state = state;
    if (state.state === 'connected') this.#problem = '';
    this.panel?.refresh();
  }

  #calls() {
    const host = this.#host;
    const inChat = (/** @type {any} */ said) => {
      if (!this.settings.link || (said.roomName && said.roomName !== this.settings.link.room)) throw new Refusal('This room is not linked with a chat of SillyTavern.', 6);
    };
    return {
      LIST_CHARACTERS: () => this.characters?.list(this.identity, this.#answering('')),
      GET_AVATAR: (/** @type {any} */ said) => this.characters?.picture(String(said.id ?? '')),
      SELECT_CHARACTER: async (/** @type {any} */ said) => {
        inChat(said);
        const { link, character } = /** @type {any} */ (await this.characters?.select(String(said.id ?? ''), this.settings.link, Boolean(this.desk?.busy)));
        this.change({ link });
        this.mirror?.opened();
        return { character };
      },
      CHAT_SNAPSHOT: (/** @type {any} */ said) => {
        inChat(said);
        return this.mirror?.snapshot(said.limit);
      },
    };
  }

  #request(/** @type {any} */ task) {
    const ask = parseAsk(task.said);
    const { link, mode } = this.settings;
    const here = link && ask.room === link.room && !['think', 'impersonate'].includes(ask.action) && this.#host.missing.length === 0;
    if (!here && mode === 'chat') task.fail('This SillyTavern answers in its linked room only.');
    else if (!here && !this.#prompt) task.fail('This version of SillyTavern answers in its linked room only.');
    else {
      this.queue?.offer({
        task,
        where: here ? 'chat' : 'headless',
        run: () => answer({ task, generate: here ? (way) => /** @type {any} */ (this.desk).answer(ask, way) : (way) => this.#headless(task, ask, way) }),
      });
    }
  }

  /** Who answers in a room that is not linked. */
  #answering(/** @type {string} */ wanted) {
    const { character, link, offered } = this.settings;
    return wanted || character || link?.avatar || offered?.[0] || this.#host.characters()[0]?.id || '';
  }

  async #headless(/** @type {any} */ task, /** @type {import('./request.js').Ask} */ ask, /** @type {import('./answer.js').Way} */ way) {
    const id = this.#answering(ask.character);
    const found = this.#host.characters().find((/** @type {any} */ one) => one.id === id);
    if (!found || !this.characters?.offers(id)) throw new Refusal('This character is not offered.', 7);
    /** @type {import('./answer.js').Sink | null} */
    let sink = null;
    const open = () => (sink ??= way.output({ action: ask.word, character: { id, name: found.name } }));
    const done = await this.#prompt.headless({
      request: task.said,
      character: id,
      signal: way.signal,
      persona: this.settings.persona,
      onText: (/** @type {string} */ text) => {
        way.sign();
        if (text) open().text(text);
      },
      onReasoning: (/** @type {string} */ text) => {
        way.sign();
        if (text) open().reasoning(text);
      },
    });
    if (way.signal.aborted) return;
    if (done?.reasoning) open().reasoning(done.reasoning);
    if (done?.text) open().text(done.text);
    if (done?.finishReason) way.finish(done.finishReason);
  }
}

/** The module of headless prompts, where this SillyTavern has all that it needs. */
async function headlessPrompts() {
  const { supported, missing } = await headlessSupport();
  if (!supported) console.warn('newage: no headless answers, SillyTavern lacks', missing);
  return supported ? { headless } : null;
}

new Extension().start();
