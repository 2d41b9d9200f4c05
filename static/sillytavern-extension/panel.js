// @ts-check
// The drawer in SillyTavern's settings of extensions. Elements are made one by one; text of others is only ever text.

import { originOf } from './address.js';
import { adviceOf } from './advice.js';

const CODE = /^[0-9]{6}$/;
const STATES = {
  off: ['off', 'Paused'],
  connecting: ['wait', 'Connecting…'],
  pairing: ['wait', 'Waiting for the yes of the hub’s operator…'],
  reconnecting: ['wait', 'The hub is away. Connecting again…'],
  connected: ['on', 'Connected'],
  refused: ['bad', 'The hub refused'],
  replaced: ['bad', 'Another tab serves this hub now'],
  closed: ['off', 'Paused'],
};

export class Panel {
  #host;
  #it;
  /** @type {Record<string, any>} elements that change */
  #parts = {};
  #scheduled = false;
  #told = '';
  /** @type {any} the state that was drawn last */
  #seen = null;
  #listed = ''; // the characters that the lists hold

  /** @param {{host: any, extension: any}} given */
  constructor({ host, extension }) {
    this.#host = host;
    this.#it = extension;
  }

  show() {
    const parts = this.#parts;
    parts.light = h('span', { className: 'newage-light' });
    parts.state = h('span', { className: 'newage-state' });
    parts.detail = h('small', { className: 'newage-detail' });
    parts.notes = h('div', { className: 'newage-notes' });
    parts.queue = h('div', { className: 'newage-queue' });
    parts.characters = h('div', { className: 'newage-characters' });
    // The drawer's own element is shown and hidden by SillyTavern, by its `display`: ours lies within.
    const content = h(
      'div',
      { className: 'newage-content' },
      h('div', { className: 'newage-status', role: 'status' }, parts.light, h('div', {}, parts.state, parts.detail)),
      h('div', { className: 'newage-row' }, ...this.#buttons()),
      parts.notes,
      parts.queue,
      this.#hub(),
      this.#chat(),
      this.#rooms(),
      h('small', { className: 'newage-foot' }, `${this.#it.clientId} · newage ${this.#it.version}`),
    );
    const drawer = h(
      'div',
      { className: 'inline-drawer', id: 'newage_drawer' },
      h(
        'div',
        { className: 'inline-drawer-toggle inline-drawer-header' },
        h('div', { className: 'flex-container alignitemscenter margin0' }, h('b', {}, 'newage'), (parts.small = h('span', { className: 'newage-light' }))),
        h('div', { className: 'inline-drawer-icon fa-solid fa-circle-chevron-down down' }),
      ),
      h('div', { className: 'inline-drawer-content' }, content),
    );
    document.querySelector('#extensions_settings2, #extensions_settings')?.append(h('div', { id: 'newage_settings', className: 'extension_container' }, drawer));
    // Not at a click in the lists: what is pressed there has to stay until it is let go.
    drawer.addEventListener('pointerenter', () => this.#fill());
    drawer.querySelector('.inline-drawer-toggle')?.addEventListener('click', () => this.#fill());
    this.#fill();
    this.#draw();
  }

  /** Something has changed; drawn once for many changes. */
  refresh() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.#draw();
    }, 50);
  }

  /** Another line begins, or all went well: what a button was told is of before. */
  forget() {
    this.#told = '';
    this.refresh();
  }

  // ---- parts

  #buttons() {
    const parts = this.#parts;
    parts.test = this.#button('Test', 'fa-stethoscope', async () => {
      this.#tell(this.#t('Asking the hub…'));
      try {
        this.#tell(`${this.#t('The hub answered in')} ${await this.#it.test()} ms`);
      } catch (error) {
        this.#tell(/** @type {any} */ (error).message);
      }
    });
    parts.again = this.#button('Connect now', 'fa-plug', () => this.#it.connect());
    parts.here = this.#button('Serve here', 'fa-arrow-down', () => this.#it.takeOver());
    parts.apart = this.#button('It is another SillyTavern: serve beside it', 'fa-code-branch', () => this.#it.takeOver({ apart: true }));
    return [parts.test, parts.again, parts.here, parts.apart];
  }

  #hub() {
    const { settings } = this.#it;
    const reconnect = () => this.#it.connect();
    const key = (this.#parts.key = h('input', { className: 'text_pole', type: 'password', autocomplete: 'new-password', placeholder: this.#t('comes by itself') }));
    key.addEventListener('change', () => this.#it.setKey(key.value.trim()));
    const code = h('input', { className: 'text_pole', type: 'text', inputMode: 'numeric', maxLength: 16, placeholder: '000000', autocomplete: 'off' });
    const pair = this.#button('Pair', 'fa-link', () => {
      const digits = code.value.replace(/[\s-]/g, '');
      if (!CODE.test(digits)) {
        this.#tell(this.#t('A pairing code has six digits.'));
        return;
      }
      code.value = '';
      this.#it.connect(digits);
    });
    byEnter(code, pair);
    return this.#section(
      'Hub',
      this.#text('Address', 'address', { placeholder: this.#host.address, type: 'url', maxLength: 512, tidy: (/** @type {string} */ text) => originOf(text) ?? text, after: () => this.#it.moved() }),
      this.#text('Name that people see', 'name', { placeholder: this.#it.clientId, maxLength: 64, after: reconnect }),
      this.#field('Pairing code', h('div', { className: 'newage-row' }, code, pair), 'Needed once when the hub is on another machine: newage pair shows it.'),
      this.#field('Key', key, 'It may answer for this SillyTavern and no more, at this hub. SillyTavern keeps it in its settings in clear.'),
      this.#choice('Serve', 'mode', [['all', 'the linked chat and other rooms'], ['chat', 'the linked chat only'], ['off', 'nothing']], (before) => {
        if (before === 'off' || settings.mode === 'off') reconnect();
      }),
    );
  }

  #chat() {
    const parts = this.#parts;
    parts.room = h('input', { className: 'text_pole', type: 'text', maxLength: 128, placeholder: this.#t('name of a room') });
    parts.linked = h('div', { className: 'newage-linked' });
    const link = this.#button('Link the open chat', 'fa-link', async () => {
      try {
        await this.#it.link(parts.room.value.trim());
        this.forget();
      } catch (error) {
        this.#tell(this.#t(/** @type {any} */ (error).message));
      }
    });
    byEnter(parts.room, link);
    parts.unlink = this.#button('Unlink', 'fa-link-slash', () => this.#it.unlink());
    return this.#section(
      'Linked chat',
      h('small', {}, this.#t('What is asked in this one room is answered in the chat that is open here, seen and saved. What is said here is shown there.')),
      this.#field('Room', parts.room),
      parts.linked,
      h('div', { className: 'newage-row' }, link, parts.unlink),
      this.#check('The room may choose the character', 'selectable'),
    );
  }

  #rooms() {
    const { settings } = this.#it;
    const parts = this.#parts;
    parts.character = h('select', { className: 'text_pole' });
    parts.character.addEventListener('change', () => this.#it.change({ character: parts.character.value }));
    parts.all = h('input', { type: 'checkbox' });
    parts.all.addEventListener('change', () => {
      this.#it.change({ offered: parts.all.checked ? null : [] });
      this.#fill({ anew: true });
    });
    const trusted = h('input', { className: 'text_pole', type: 'text', value: settings.trusted.join(', '), placeholder: 'monitor, my-script' });
    trusted.addEventListener('change', () => {
      this.#it.change({ trusted: trusted.value.split(/[\s,]+/).filter(Boolean).slice(0, 64) });
    });
    return this.#section(
      'Other rooms',
      h('small', {}, this.#t('They are answered aside, each from its own words, with nothing of the open chat.')),
      this.#field('Character', parts.character),
      this.#check('Tell the model my persona', 'persona'),
      h('label', { className: 'checkbox_label' }, parts.all, h('span', {}, this.#t('Offer all characters'))),
      parts.characters,
      this.#field('Clients whose macros may run', trusted, 'Macros of everybody else are shown as text and do nothing.'),
    );
  }

  // ---- drawing

  #draw() {
    const it = this.#it;
    const parts = this.#parts;
    const { settings, state } = it;
    const [colour, words] = STATES[/** @type {keyof typeof STATES} */ (state.state)] ?? ['bad', state.state];
    for (const light of [parts.light, parts.small]) light.dataset.state = colour;
    parts.small.title = this.#t(words);
    set(parts.state, this.#t(words));
    const said = state.state === 'refused' ? state.message : '';
    if (state !== this.#seen && said) this.#told = '';
    this.#seen = state;
    // Why a hub cannot be reached no browser tells: what helps is to see where it is looked for.
    const where = state.state === 'reconnecting' ? it.address : '';
    // What a button was pressed for is said beside what is wrong, not instead of it and not hidden by it.
    const lines = new Set([where, this.#t(adviceOf(it.problem || said)), this.#told].filter(Boolean));
    set(parts.detail, [...lines].join(' · '));
    if (document.activeElement !== parts.key) parts.key.value = it.keys.get();
    parts.test.hidden = state.state !== 'connected';
    parts.again.hidden = !['refused', 'reconnecting', 'connecting', 'pairing'].includes(state.state);
    parts.here.hidden = parts.apart.hidden = state.state !== 'replaced';
    set(parts.linked, settings.link ? `${settings.link.room}  →  ${settings.link.title}` : this.#t('No room is linked.'));
    parts.linked.dataset.empty = String(!settings.link);
    parts.unlink.hidden = !settings.link;
    if (settings.link && !parts.room.value) parts.room.value = settings.link.room;
    parts.all.checked = !Array.isArray(settings.offered);
    parts.characters.hidden = parts.all.checked;
    this.#drawNotes();
    this.#drawQueue();
  }

  #drawNotes() {
    const notes = [];
    if (this.#host.reference) notes.push(this.#t('The SillyTavern-NewAge extension is enabled as well. It never returns an answer: the hub asks this one. You can disable it.'));
    else if (this.#it.other) notes.push(this.#t('Another extension with the id of this one is at the hub as well. It does not say what it can do: the hub asks this one.'));
    if (this.#host.missing.length) notes.push(`${this.#t('This version of SillyTavern lacks what answers in the chat need:')} ${this.#host.missing.join(', ')}`);
    if (!this.#it.headless) notes.push(this.#t('This version of SillyTavern lacks what other rooms need: only the linked chat is served.'));
    const code = this.#host.runsCode();
    if (code.length) notes.push(`${this.#t('Angle brackets of others are broken in the linked chat, because an extension that runs code of messages is enabled:')} ${code.join(', ')}`);
    this.#parts.notes.replaceChildren(...notes.map((note) => h('div', { className: 'newage-note' }, h('i', { className: 'fa-solid fa-circle-info' }), h('span', {}, note))));
  }

  #drawQueue() {
    const { queue } = this.#it;
    const rows = [...queue.running.map((/** @type {any} */ job) => [job, true]), ...queue.waiting.map((/** @type {any} */ job) => [job, false])];
    this.#parts.queue.replaceChildren(
      ...rows.map(([job, now]) =>
        h(
          'div',
          { className: 'newage-job' },
          h('i', { className: `fa-solid ${now ? 'fa-pen' : 'fa-hourglass'}`, title: this.#t(now ? 'is answered' : 'waits') }),
          h('span', {}, job.task.room),
          h('small', {}, this.#t(job.where === 'chat' ? 'in the chat' : 'aside')),
          this.#button('', 'fa-stop', () => this.#it.dismiss(job.task), 'Stop this answer'),
        ),
      ),
    );
  }

  /** Characters come and go: the lists are made again when somebody comes to the drawer. */
  #fill({ anew = false } = {}) {
    const { settings } = this.#it;
    const parts = this.#parts;
    const all = this.#host.characters();
    const listed = JSON.stringify(all.map((/** @type {any} */ one) => [one.id, one.name]));
    if (listed === this.#listed && !anew) return;
    this.#listed = listed;
    const chosen = settings.character;
    parts.character.replaceChildren(h('option', { value: '' }, this.#t('as linked, or the first one')), ...all.map((/** @type {any} */ one) => h('option', { value: one.id, selected: one.id === chosen }, one.name)));
    const offered = new Set(settings.offered ?? []);
    parts.characters.replaceChildren(
      ...all.map((/** @type {any} */ one) => {
        const box = h('input', { type: 'checkbox', checked: offered.has(one.id) });
        box.addEventListener('change', () => {
          const now = new Set(settings.offered ?? []);
          if (box.checked) now.add(one.id);
          else now.delete(one.id);
          this.#it.change({ offered: [...now] });
        });
        return h('label', { className: 'checkbox_label' }, box, h('span', {}, one.name));
      }),
    );
  }

  #tell(/** @type {string} */ words) {
    this.#told = words;
    this.refresh();
  }

  // ---- building blocks

  #t(/** @type {string} */ words) {
    return this.#host.translate(words);
  }

  #section(/** @type {string} */ title, /** @type {any[]} */ ...children) {
    return h('section', { className: 'newage-section' }, h('h4', {}, this.#t(title)), ...children);
  }

  #field(/** @type {string} */ label, /** @type {any} */ input, note = '') {
    return h('label', { className: 'newage-field' }, h('span', {}, this.#t(label)), input, ...(note ? [h('small', {}, this.#t(note))] : []));
  }

  #text(/** @type {string} */ label, /** @type {string} */ setting, /** @type {any} */ { after = () => {}, tidy = (/** @type {string} */ text) => text, note = '', ...props } = {}) {
    const input = h('input', { className: 'text_pole', type: 'text', autocomplete: 'off', value: this.#it.settings[setting], ...props });
    input.addEventListener('change', () => {
      input.value = tidy(input.value.trim());
      this.#it.change({ [setting]: input.value });
      after();
    });
    return this.#field(label, input, note);
  }

  #check(/** @type {string} */ label, /** @type {string} */ setting) {
    const box = h('input', { type: 'checkbox', checked: Boolean(this.#it.settings[setting]) });
    box.addEventListener('change', () => this.#it.change({ [setting]: box.checked }));
    return h('label', { className: 'checkbox_label' }, box, h('span', {}, this.#t(label)));
  }

  #choice(/** @type {string} */ label, /** @type {string} */ setting, /** @type {string[][]} */ values, /** @type {(before: string) => void} */ after) {
    const now = this.#it.settings[setting];
    const select = h('select', { className: 'text_pole' }, ...values.map(([value, words]) => h('option', { value, selected: value === now }, this.#t(words))));
    select.addEventListener('change', () => {
      const before = this.#it.settings[setting];
      this.#it.change({ [setting]: select.value });
      after(before);
    });
    return this.#field(label, select);
  }

  #button(/** @type {string} */ label, /** @type {string} */ icon, /** @type {() => void} */ pressed, title = '') {
    const button = h('button', { type: 'button', className: 'menu_button menu_button_icon' }, h('i', { className: `fa-solid ${icon}` }), ...(label ? [h('span', {}, this.#t(label))] : []));
    if (title) button.title = button.ariaLabel = this.#t(title);
    button.addEventListener('click', (/** @type {Event} */ event) => {
      event.preventDefault();
      pressed();
    });
    return button;
  }
}

/** An element; children are elements or text. @param {string} tag @param {any} props @param {any[]} children @returns {any} */
function h(tag, props, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, props);
  element.append(...children);
  return element;
}

/** The key Enter in this field presses that button. @param {any} field @param {any} button */
function byEnter(field, button) {
  field.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault();
    button.click();
  });
}

/** Text of a status region: unchanged it is not spoken again. @param {any} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
