// The entries of a conversation in their order, as many as the page keeps.

import { answersTo, isAsked, precedes } from './entry.js';

export class Entries {
  list = [];
  #limit;
  #tell;
  #count = 0;

  /** `tell(type, detail)` says 'added' {entry, before}, 'moved' {entry, before}, 'removed' {entry}. */
  constructor(limit, tell) {
    this.#limit = limit;
    this.#tell = tell;
  }

  /** Beyond the limit the first one goes. */
  add(entry) {
    entry.number = ++this.#count;
    entry.asked ??= entry.requestId;
    this.link(entry);
    const at = this.#place(entry);
    const before = this.list[at] ?? null;
    this.list.splice(at, 0, entry);
    this.#tell('added', { entry, before });
    if (isAsked(entry)) this.#settleAnswers(entry);
    if (this.list.length > this.#limit) this.#tell('removed', { entry: this.list.shift() });
  }

  /** Those for which `goes` is true; returns whether there were any. */
  remove(goes) {
    const gone = this.list.filter(goes);
    if (gone.length === 0) return false;
    this.list = this.list.filter((entry) => !gone.includes(entry));
    for (const entry of gone) this.#tell('removed', { entry });
    return true;
  }

  /** An answer finds its question, or a question its answers. */
  link(entry) {
    if (entry.kind === 'answer') entry.question ??= this.list.findLast((other) => isAsked(other) && answersTo(entry, other)) ?? null;
    else if (isAsked(entry))
      for (const other of this.list) if (other.kind === 'answer' && answersTo(other, entry)) other.question ??= entry;
  }

  /** Where it belongs: an answer below its question, the rest in the order of the hub; what it has not stored yet last. */
  #place(entry) {
    let at = this.list.length;
    while (at > 0 && precedes(entry, this.list[at - 1])) at -= 1;
    return at;
  }

  /** Something about its place became known: move it there. */
  settle(entry) {
    const from = this.list.indexOf(entry);
    if (from < 0) return;
    this.list.splice(from, 1);
    const to = this.#place(entry);
    this.list.splice(to, 0, entry);
    if (to !== from) this.#tell('moved', { entry, before: this.list[to + 1] ?? null });
    if (entry.kind !== 'answer') this.#settleAnswers(entry);
  }

  #settleAnswers(question) {
    for (const entry of this.list.filter((other) => other.question === question)) this.settle(entry);
  }
}
