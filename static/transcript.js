// The conversation as the reader sees it. Model and user text become text nodes, never markup.

import { authorOf } from './entry.js';
import { isDemo } from './extensions.js';
import { isFailed, isRepeatable, noteOf } from './words.js';

const NEAR_PX = 56; // this close to the end counts as reading the newest

const UP_KEYS = new Set(['ArrowUp', 'PageUp', 'Home']);

export class Transcript {
  #conversation;
  #parts;
  #askAgain;
  #items = new Map(); // entry -> {item, text, pending}
  #dirty = new Set(); // entries with text not yet in the document
  #thinking = new Set(); // entries with thoughts not yet in it
  #frame = 0;
  #following = true;
  #top = 0;

  /**
   * `parts`: list, scroller, newest, thinking, template (elements of the page). `askAgain(entry)` repeats a question.
   */
  constructor(conversation, parts, askAgain) {
    this.#conversation = conversation;
    this.#parts = parts;
    this.#askAgain = askAgain;
    const on = (type, react) => conversation.addEventListener(type, (event) => react.call(this, event.detail));
    on('added', this.#added);
    on('moved', this.#moved);
    on('changed', this.#changed);
    on('appended', this.#appended);
    on('thought', ({ entry }) => {
      this.#thinking.add(entry);
      this.#later();
    });
    on('removed', this.#removed);
    on('waiting', () => this.#later());
    parts.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    parts.scroller.addEventListener('wheel', (event) => event.deltaY < 0 && this.#leaveEnd(), { passive: true });
    parts.scroller.addEventListener('keydown', (event) => UP_KEYS.has(event.key) && this.#leaveEnd());
    parts.newest.addEventListener('click', () => this.follow(true));
    new ResizeObserver(() => this.#keepEnd()).observe(parts.scroller);
  }

  get isEmpty() {
    return this.#items.size === 0;
  }

  /** Go to the newest and stay there; `move` takes the focus along, for the button that vanishes by it. */
  follow(move = false) {
    this.#following = true;
    this.#keepEnd();
    if (move) this.#parts.scroller.focus({ preventScroll: true });
  }

  #added({ entry, before }) {
    const item = this.#parts.template.content.firstElementChild.cloneNode(true);
    const text = document.createTextNode(entry.text);
    item.querySelector('.text').append(text);
    item.querySelector('.link').addEventListener('click', () => this.#askAgain(entry));
    this.#items.set(entry, { item, text, pending: '' });
    this.#parts.list.insertBefore(item, before ? this.#items.get(before).item : null);
    this.#paint(entry, item);
    if (entry.question) this.#paintNote(entry.question);
    if (entry.kind === 'mine' && entry.state === 'sending') this.#following = true;
    this.#later();
  }

  #moved({ entry, before }) {
    this.#parts.list.insertBefore(this.#items.get(entry).item, before ? this.#items.get(before).item : null);
    this.#later();
  }

  #changed({ entry }) {
    const shown = this.#items.get(entry);
    shown.pending = '';
    this.#dirty.delete(entry);
    if (shown.text.data !== entry.text) shown.text.data = entry.text;
    this.#paint(entry, shown.item);
    if (entry.question) this.#paintNote(entry.question);
    this.#later();
  }

  #appended({ entry, text }) {
    const shown = this.#items.get(entry);
    if (entry.text === text) paintThoughts(shown.item, entry); // it thinks no longer
    shown.pending += text;
    this.#dirty.add(entry);
    this.#later();
  }

  #removed({ entry }) {
    this.#items.get(entry).item.remove();
    this.#items.delete(entry);
    this.#dirty.delete(entry);
    this.#thinking.delete(entry);
    this.#later();
  }

  #paint(entry, item) {
    item.dataset.kind = entry.kind;
    item.toggleAttribute('data-streaming', entry.streaming);
    item.toggleAttribute('data-cut', entry.streaming && entry.cut);
    item.toggleAttribute('data-failed', isFailed(entry));
    item.setAttribute('aria-busy', String(entry.streaming));
    item.querySelector('.author').textContent = entry.kind === 'mine' ? 'You' : authorOf(entry);
    item.querySelector('.badge').hidden = !(entry.kind === 'answer' && isDemo(entry.author));
    paintTime(item.querySelector('time'), entry.timestamp);
    paintThoughts(item, entry);
    this.#paintNote(entry);
  }

  /** Apart, for that of a question depends on whether there is an answer. */
  #paintNote(entry) {
    const item = this.#items.get(entry)?.item;
    if (!item) return;
    const answered = this.#conversation.hasWordsFor(entry);
    const note = noteOf(entry, answered);
    item.querySelector('.note').hidden = !note;
    item.querySelector('.note-text').textContent = note;
    item.querySelector('.link').hidden = !isRepeatable(entry, answered);
  }

  /** Many tokens of one frame are one change of the document. */
  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const entry of this.#dirty) {
        const shown = this.#items.get(entry);
        shown.text.appendData(shown.pending);
        shown.pending = '';
      }
      this.#dirty.clear();
      for (const entry of this.#thinking) paintThoughts(this.#items.get(entry).item, entry);
      this.#thinking.clear();
      this.#parts.thinking.hidden = !this.#conversation.waiting;
      this.#keepEnd();
    });
  }

  #keepEnd() {
    const { scroller } = this.#parts;
    if (this.#following) scroller.scrollTop = scroller.scrollHeight;
    this.#scrolled();
  }

  /** A way up begins: following on for another frame would stop a smooth scroll before its first step. */
  #leaveEnd() {
    if (this.#parts.scroller.scrollTop > 0) this.#following = false;
  }

  /** Moving up, however little, is wanting to read; coming near the end is wanting the newest again. */
  #scrolled() {
    const { scroller, newest } = this.#parts;
    const gap = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    const moved = scroller.scrollTop - this.#top;
    this.#top = scroller.scrollTop;
    if (moved < 0 && gap > 1) this.#following = false;
    else if (moved > 0 && gap < NEAR_PX) this.#following = true;
    newest.hidden = this.#following || gap < NEAR_PX;
  }
}

/** What the model thought, folded away; while there is nothing else, it says that it thinks. */
function paintThoughts(item, { reasoning, streaming, text }) {
  const thoughts = item.querySelector('.thoughts');
  thoughts.hidden = !reasoning;
  if (!reasoning) return;
  item.querySelector('.thoughts summary').textContent = streaming && !text ? 'Thinking…' : 'Thoughts';
  const shown = item.querySelector('.thought');
  if (shown.textContent !== reasoning) shown.textContent = reasoning;
}

function paintTime(element, timestamp) {
  const date = new Date(timestamp);
  const known = timestamp && !Number.isNaN(date.getTime());
  element.hidden = !known;
  if (!known) return;
  element.dateTime = date.toISOString();
  element.textContent = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  element.title = date.toLocaleString();
}
