// @ts-check
// The start, and what is wired with what.

import { Keys, originOf } from './address.js';
import { answer, patienceOf } from './answer.js';
import { Characters } from './characters.js';
import { Desk } from './desk.js';
import { Host } from './host.js';
import { connect } from './hub.js';
import { followLink } from './link.js';
import { Mirror } from './mirror.js';
import { breakText } from './outsiders.js';
import { Panel } from './panel.js';
import { headless, headlessSupport } from './prompt.js';
import { Queue } from './queue.js';
import { parseAsk } from './request.js';
import { Refusal } from './refusal.js';

export const VERSION = '0.1.5';

const SILENCE_MS = 4_000;

const DEFAULTS = {
  address: '', // '' is port 4000 of the host that SillyTavern was opened with
  name: '',
  keys: {}, // by hub, see address.js
  suffix: '',
  mode: 'all', // 'all': linked chat and other rooms; 'chat': the linked chat alone; 'off'
  link: null,
  character: '', // who answers in other rooms, where the request names nobody
  offered: null, // ids; null: all
  selectable: false,
  persona: false,
  trusted: [],
  patience: {}, // of answer.js, in ms
};

class Extension {
  #host = new Host();
  /** @type {any} */
  #line = null;
  #state = { state: 'off', message: '' };
  #problem = '';
  #other = false; // an extension of this id that declares nothing is at the hub as well
  /** @type {any} a timer: the hub should have answered by then */
  #silence = null;
  #pair = ''; // a code that was entered and is good until the hub has said yes or no
  /** @type {any} prompts of our own words; null where this SillyTavern lacks what they need */
  #prompt = null;

  async start() {
    const host = this.#host;
    await host.ready();
    this.settings = host.settings;
    for (const [name, value] of Object.entries(DEFAULTS)) this.settings[name] ??= structuredClone(value);
    this.keys = new Keys(this.settings, () => host.address);
    this.#prompt = await headlessPrompts();
    this.desk = new Desk({ host, link: () => this.settings.link, trusts: (id) => this.settings.trusted.includes(id) });
    this.characters = new Characters({ host, settings: this.settings, desk: this.desk });
    this.mirror = new Mirror({
      host,
      desk: this.desk,
      // What happens while it is paused is nobody's, also later.
      say: (event) => this.settings.mode === 'off' || Boolean(this.#line?.say('CHAT_EVENT', event)),
      uuid: () => this.#line?.line.world.uuid() ?? String(Math.random()).slice(2),
    });
    this.queue = new Queue({ changed: () => this.panel?.refresh() });
    Object.assign(globalThis, {
      newageInterceptor: (/** @type {any[]} */ chat) => host.intercept(chat, (text) => breakText(text, { markup: host.runsCode().length > 0 })),
    });
    followLink({
      host,
      settings: this.settings,
      changed: () => {
        this.change({});
        return host.saved();
      },
      lost: async () => {
        await this.unlink();
        this.#problem = 'The linked chat was deleted in SillyTavern.';
        this.panel?.refresh();
      },
    });
    this.panel = new Panel({ host, extension: this });
    this.panel.show();
    // Nobody goes on with what this page has begun: who asked need not wait for that. What has not begun is asked again.
    globalThis.addEventListener('pagehide', () => {
      for (const task of this.#line?.tasks ?? []) if (task.outlets.length) task.fail('SillyTavern was closed, or loaded again.');
    });
    this.connect();
  }

  // ---- for the panel

  get state() {
    return this.#state;
  }

  get problem() {
    return this.#problem;
  }

  /** Whether an extension of this id which declares nothing is at the hub as well: the hub asks this one. */
  get other() {
    return this.#other;
  }

  /** Where the hub is: an origin; null where the settings say something else. */
  get address() {
    return originOf(this.settings.address || this.#host.address);
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

  /** Another hub is meant from now on: the code that was entered is not for it. */
  moved() {
    this.#pair = '';
    this.connect();
  }

  /** Connect with what the settings say now, and a pairing code: this one, or the one that is waiting for its yes. */
  connect(pair = this.#pair) {
    this.#line?.close();
    this.#line = null;
    this.#problem = '';
    this.#other = false;
    this.#pair = pair;
    this.panel?.forget();
    const { address } = this;
    if (this.settings.mode === 'off') {
      this.#pair = '';
      this.#become({ state: 'off', message: '' });
      return;
    }
    if (!address) {
      this.#become({ state: 'refused', message: 'This is no address of a hub.' });
      return;
    }
    this.#become({ state: 'connecting', message: '' });
    const keys = /** @type {Keys} */ (this.keys);
    const { hub } = keys;
    const line = connect({
      settings: { ...this.settings, address, key: keys.get() },
      port: this.#host.port,
      pair,
      version: VERSION,
      request: (task) => this.#request(task),
      calls: this.#calls(),
      keep: (key) => {
        if (this.#line === line) this.#pair = '';
        keys.set(key, hub);
        this.panel?.refresh();
        return this.#host.saved();
      },
      state: (state) => this.#line === line && this.#become(state),
      up: () => this.tellLink(),
      problem: (message) => {
        this.#problem = message;
        this.panel?.refresh();
      },
      other: (here) => {
        this.#other = here;
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

  /** The key of this hub, as somebody entered it. */
  setKey(/** @type {string} */ key) {
    this.keys?.set(key);
    this.change({});
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
    if (!room) throw new Refusal('Enter the name of a room first.');
    if ((!at.avatar && !at.group) || !at.chatId) throw new Refusal('Open the chat first that the room is to be served in.');
    this.change({ link: { room, avatar: at.avatar, group: at.group, chatId: at.chatId, title: at.chatId.startsWith(at.name) ? at.chatId : `${at.name} · ${at.chatId}` } });
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

  /** Who sits here wants this answer no more; what there is of it is kept. */
  dismiss(/** @type {any} */ task) {
    task.fail('Stopped in SillyTavern.');
    task.stop('cancelled', 0);
  }

  /** Milliseconds to the hub and back. */
  async test() {
    const began = performance.now();
    await this.#line.call('GET_MESSAGES', { limit: 1 }, { timeoutMs: 5_000 });
    return Math.round(performance.now() - began);
  }

  // ---- inside

  #become(/** @type {{state: string, message: string}} */ state) {
    const waits = state.state === 'connecting' && this.#pair !== '';
    this.#state = waits ? { ...state, state: 'pairing' } : state;
    if (state.state === 'connected') this.#problem = '';
    if (['connected', 'refused', 'replaced'].includes(state.state)) this.#pair = '';
    // Nobody hears the rest, and two pages at work in one chat overwrite each other.
    if (state.state === 'replaced') for (const task of this.#line?.tasks ?? []) task.stop('gone', 0);
    clearTimeout(this.#silence);
    if (state.state === 'connecting' && !waits) this.#silence = setTimeout(() => this.#become({ state: 'reconnecting', message: '' }), SILENCE_MS);
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
        const character = await this.characters?.select(String(said.id ?? ''));
        this.change({});
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
        run: () => answer({ task, limits: patienceOf(this.settings.patience), generate: (way) => this.#generate(here, task, ask, way) }),
      });
    }
  }

  async #generate(/** @type {boolean} */ here, /** @type {any} */ task, /** @type {import('./request.js').Ask} */ ask, /** @type {import('./answer.js').Way} */ way) {
    try {
      if (here) await this.desk?.answer(ask, way);
      else await this.#headless(task, ask, way);
    } finally {
      await this.#host.staying();
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
