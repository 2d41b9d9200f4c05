// For those who listen instead of look: whole messages once they are whole, never single tokens.

import { authorOf } from './conversation.js';

const KEPT = 5; // announcements left in the document
const SPOKEN_CHARS = 2_000; // of one message; the rest is in the conversation

export class Announcer {
  #log;
  #failed = new WeakMap(); // entry -> request id whose failure was told

  constructor(log) {
    this.#log = log;
  }

  say(entry) {
    this.#tell(entry.kind === 'system' ? entry.text : `${authorOf(entry)}: ${entry.text}`);
  }

  /** A failed question, once however often the hub tells it. */
  fail(entry) {
    if (this.#failed.get(entry) === entry.requestId) return;
    this.#failed.set(entry, entry.requestId);
    this.#tell(`Not answered: ${entry.note}`);
  }

  #tell(text) {
    const paragraph = document.createElement('p');
    paragraph.textContent = text.slice(0, SPOKEN_CHARS);
    this.#log.append(paragraph);
    while (this.#log.childElementCount > KEPT) this.#log.firstElementChild.remove();
  }
}
