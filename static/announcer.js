// For those who listen instead of look: whole messages once they are whole, never single tokens.

import { authorOf } from './entry.js';
import { isFailed } from './words.js';

const KEPT = 5; // announcements left in the document
const SPOKEN_CHARS = 2_000; // of one message; the rest is in the conversation

export class Announcer {
  #log;
  #states = new WeakMap(); // entry -> state and request id that were told

  constructor(log) {
    this.#log = log;
  }

  say(entry) {
    const end = entry.stopped ? ' (stopped)' : entry.failed ? ' (broken off)' : '';
    this.#tell(entry.kind === 'system' ? entry.text : `${authorOf(entry)}: ${entry.text}`, end);
  }

  /** How it stands with a question, once however often the hub tells it. */
  state(entry, words) {
    const state = `${entry.state} ${entry.requestId}`;
    if (!words || this.#states.get(entry) === state) return;
    this.#states.set(entry, state);
    this.#tell(isFailed(entry) ? `Not answered: ${words}` : words);
  }

  #tell(text, end = '') {
    const paragraph = document.createElement('p');
    paragraph.textContent = text.slice(0, SPOKEN_CHARS) + end;
    this.#log.append(paragraph);
    while (this.#log.childElementCount > KEPT) this.#log.firstElementChild.remove();
  }
}
