// What has been said in one room, in order: a model without DOM or sockets. Views listen to its events:
// 'added' {entry, before}, 'moved' {entry, before}, 'changed' {entry}, 'appended' {entry, text}, 'thought' {entry} (its reasoning grew),
// 'removed' {entry}, 'finished' {entry} (it is whole and new), 'waiting' {}, 'unclaimed' {message} (of a question that is not here).
// Answers that grow are `Output`s of newage-client; the rest comes as the hub sends it.

import { Entries } from './entries.js';
import { entryOf, isAsked, isInHand, isOpen, nameOf, plain, waitingFor } from './entry.js';

export const LIMIT = 500; // entries kept; older ones are dropped from the page, not from the hub

const REASON_CHARS = 300; // of what is said about a question
const UNCLAIMED_MOST = 100; // questions

const reason = (value) => plain(value).slice(0, REASON_CHARS);

export class Conversation extends EventTarget {
  #all;
  #me;
  #now;
  #known = false; // the history is here
  #unclaimed = new Map(); // request id -> the last status of a question that the history may bring

  /** `me` is this page's identity; `now` gives an ISO time for what has none yet. */
  constructor(me, { limit = LIMIT, now = () => new Date().toISOString() } = {}) {
    super();
    this.#me = me;
    this.#all = new Entries(limit, (type, detail) => this.#tell(type, detail));
    this.#now = now;
  }

  get entries() {
    return this.#all.list;
  }

  /** True while an extension has a question of this page and nothing of its answer has come. */
  get waiting() {
    return this.entries.some((entry) => entry.kind === 'mine' && isInHand(entry) && this.#answersTo(entry).length === 0);
  }

  /** Whether something of its answer is here. */
  hasWordsFor(question) {
    return this.#answersTo(question).some(({ text }) => text !== '');
  }

  /** What can be stopped, the newest first: {requestId, requester} of what is being answered, or is to be. */
  get running() {
    const found = new Map();
    for (const entry of [...this.entries].reverse()) {
      const { requestId, output } = entry;
      const answers = entry.kind === 'answer' && entry.streaming;
      const asks = entry.kind === 'mine' && isOpen(entry);
      if ((!answers && !asks) || requestId === null || entry.stopping) continue;
      if (answers || !found.has(requestId)) found.set(requestId, { requestId, requester: output?.requester || this.#me });
    }
    return [...found.values()];
  }

  // ---- questions of this page

  ask(requestId, text) {
    const after = this.#known ? Math.max(0, ...this.entries.map((entry) => entry.seq ?? 0)) : null;
    return this.#add(
      entryOf('mine', { author: this.#me, text, requestId, after, fresh: true, state: 'sending', timestamp: this.#now() }),
    );
  }

  /** The same question once more under a new request id. */
  askAgain(entry, requestId) {
    entry.requestId = requestId;
    this.#change(entry, { state: 'sending', note: '', place: null, detour: null, stopping: false });
  }

  /** The hub took the question. Statuses may have overtaken the ack: they know better. */
  accepted(requestId, { messageId, state, waitsFor, position }) {
    const entry = this.#question(requestId);
    if (!entry) return;
    if (entry.messageId === null && typeof messageId === 'string') entry.messageId = messageId;
    if (entry.state === 'sending') this.status({ requestId, status: state ?? '', waitsFor, position });
    this.#all.link(entry);
    this.#all.settle(entry);
  }

  /** Whether it is told here, now or with the history. */
  refused(requestId, message, messageId = null) {
    const entry = this.#question(requestId);
    if (!entry) return this.#keep({ requestId, status: 'failed', message });
    if (entry.messageId === null && typeof messageId === 'string') entry.messageId = messageId;
    this.#change(entry, { state: 'failed', note: reason(message) || entry.note, stopping: false });
    return true;
  }

  /** REQUEST_STATUS_UPDATE */
  status(said) {
    const { requestId, status, message, waitsFor, position, from, to } = said;
    const entry = this.#question(requestId);
    if (!entry) this.#keep(said);
    if (!entry || typeof status !== 'string') return;
    const state = status === 'queued' ? waitingFor(waitsFor) : status;
    const open = isOpen({ state });
    this.#change(entry, {
      state,
      note: reason(message) || (open ? '' : entry.note),
      place: Number.isInteger(position) && position > 0 ? { position, of: 0 } : null,
      detour: status === 'rerouted' ? { from: reason(from), to: reason(to) } : entry.detour,
      stopping: entry.stopping && open,
    });
  }

  /** An extension has had it since before the page was loaded, unless more is known. */
  handedOut(requestId) {
    const entry = this.#question(requestId);
    if (entry?.state === '' && !this.entries.some(({ question }) => question === entry)) this.#change(entry, { state: 'forwarded' });
  }

  /** QUEUE_UPDATE */
  queued({ requestId, waitsFor, position, of }) {
    const entry = this.#question(requestId);
    if (!entry || !Number.isInteger(position)) return;
    this.#change(entry, { state: waitingFor(waitsFor), place: { position, of: Number.isInteger(of) ? of : 0 } });
  }

  /** No more will be heard of a question; `message` says why there is no answer. */
  over(requestId, { state, message = '', messageId = null }) {
    const entry = this.#question(requestId);
    if (!entry || !isOpen(entry)) return;
    if (message) this.refused(requestId, message, messageId);
    else this.status({ requestId, status: isOpen({ state }) ? 'completed' : state });
  }

  /** Somebody wants no more of it, and the hub is being told. */
  stopping(requestId, stopping) {
    for (const entry of this.entries) {
      const meant = entry.requestId === requestId && (entry.streaming || (entry.kind === 'mine' && isOpen(entry)));
      if (meant || (entry.stopping && entry.requestId === requestId)) this.#change(entry, { stopping: stopping && meant });
    }
  }

  // ---- answers as they arrive

  /** An output that begins, or that was going on when the page came: it is shown from its first word on. */
  follow(output) {
    if (output.action === 'impersonate') return; // words for somebody's own input
    output.on('text', (piece) => this.#grown(output, piece));
    output.on('reasoning', () => this.#thought(output));
    output.on('reset', () => {
      const entry = this.#answer(output.outputId);
      if (entry) this.#change(entry, { text: output.text, reasoning: output.reasoning });
    });
    output.on('end', () => this.#ended(output));
  }

  /** The line is cut: what streams stands still until it is back. */
  interrupted() {
    this.#known = false;
    for (const entry of this.entries) {
      entry.fresh = false;
      if (entry.streaming) this.#change(entry, { cut: true });
    }
  }

  /** The line is back, and what is still live goes on. */
  resumed() {
    for (const entry of this.entries) if (entry.cut) this.#change(entry, { cut: false, streaming: entry.output?.state === 'live' });
  }

  // ---- what the hub has stored

  /** A stored message, new or changed. `live`: it is news, not history. */
  stored(message, { live = false } = {}) {
    if (message === null || typeof message !== 'object') return;
    const known = this.#find(message);
    if (known?.earlierIds.includes(message.messageId)) return;
    if (known) {
      this.#change(known, this.#fieldsOf(message, known));
      this.#all.link(known);
      this.#all.settle(known);
      return;
    }
    const asked = this.#askedBefore(message);
    if (asked) {
      this.#repeat(asked, message);
      return;
    }
    const entry = entryOf(this.#kindOf(message), {});
    Object.assign(entry, this.#fieldsOf(message, entry));
    this.#add(entry);
    if (live && entry.kind !== 'mine') this.#finish(entry);
  }

  deleted(messageIds) {
    const gone = new Set(messageIds);
    for (const entry of this.entries) entry.earlierIds = entry.earlierIds.filter((id) => !gone.has(id));
    this.#remove((entry) => {
      if (entry.messageId === null || !gone.has(entry.messageId)) return false;
      entry.messageId = entry.earlierIds.pop() ?? null;
      return entry.messageId === null;
    });
  }

  cleared(requests, responses) {
    this.#remove((entry) => entry.messageId !== null && (entry.kind === 'answer' ? responses : requests));
  }

  /** Some of the room's history, as it is stored. */
  read(messages) {
    for (const message of messages) this.stored(message);
  }

  /**
   * The history from `from` on has been read, as it was at `seq`: what the hub no longer has of it goes from here too.
   * `ids` are those of its messages.
   */
  whole({ ids, from, seq }) {
    this.#known = true;
    this.#remove(
      (entry) =>
        !entry.fresh &&
        entry.messageId !== null &&
        entry.seq !== null &&
        entry.seq >= from &&
        entry.seq <= seq &&
        ![entry.messageId, ...entry.earlierIds].some((id) => ids.has(id)),
    );
    for (const { status, message } of this.#unclaimed.values()) if (status === 'failed' && message) this.#tell('unclaimed', { message });
    this.#unclaimed.clear();
  }

  clear() {
    this.#known = false;
    this.#remove(() => true);
  }

  // ---- inside

  #kindOf(message) {
    if (message.isSystem || message.role === 'system') return 'system';
    if (message.isResponse || message.fromLlm) return 'answer';
    return message.identity === this.#me ? 'mine' : 'theirs';
  }

  #fieldsOf(message, entry) {
    const text = plain(message.message);
    const known = {
      author: plain(message.identity),
      name: nameOf(message.character) || nameOf(message),
      timestamp: message.timestamp ?? entry.timestamp,
      seq: entry.seq ?? message.seq ?? null,
      messageId: message.messageId ?? entry.messageId,
      requestId: entry.requestId ?? message.requestId ?? null,
      outputId: message.outputId ?? entry.outputId,
      answers: typeof message.questionId === 'string' ? message.questionId : entry.answers,
      kept: text,
    };
    if (entry.output?.state === 'live') return known; // it goes on after what was stored of it
    const failed = Boolean(message.failed);
    const reasoning = typeof message.reasoning === 'string' ? message.reasoning : entry.reasoning;
    return { ...known, text, reasoning, failed, stopped: Boolean(message.partial) && !failed, streaming: false, cut: false, stopping: false };
  }

  #find(message) {
    return this.entries.find(
      (entry) =>
        (entry.messageId !== null && entry.messageId === message.messageId) ||
        entry.earlierIds.includes(message.messageId) ||
        (entry.kind === 'answer' && entry.outputId !== null && entry.outputId === message.outputId) ||
        (entry.kind === 'mine' &&
          entry.requestId !== null &&
          entry.requestId === message.requestId &&
          this.#kindOf(message) === 'mine'),
    );
  }

  /** The hub stores a question anew each time it is asked again; here it stands once, where it was first asked. */
  #askedBefore(message) {
    if (message.requestType !== 'regenerateMessage' || this.#kindOf(message) === 'answer') return undefined;
    const text = plain(message.message);
    return this.entries.findLast(
      (entry) => isAsked(entry) && entry.author === message.identity && entry.text === text,
    );
  }

  #repeat(entry, message) {
    if (entry.messageId !== null) entry.earlierIds.push(entry.messageId);
    this.#change(entry, { messageId: message.messageId ?? null, requestId: message.requestId ?? null });
  }

  #question(requestId) {
    if (requestId == null) return undefined;
    return this.entries.findLast((entry) => entry.kind === 'mine' && entry.requestId === requestId);
  }

  /** To its newest request. */
  #answersTo({ requestId }) {
    return requestId === null ? [] : this.entries.filter((other) => other.kind === 'answer' && other.requestId === requestId);
  }

  #answer(outputId) {
    return this.entries.findLast((entry) => entry.kind === 'answer' && entry.outputId === outputId);
  }

  // ---- inside: what an output says

  #begun(output) {
    return this.#add(
      entryOf('answer', {
        output,
        outputId: output.outputId,
        requestId: output.requestId || null,
        author: plain(output.identity),
        name: nameOf(output.character),
        answers: output.questionId,
        streaming: true,
        fresh: true,
        timestamp: this.#now(),
      }),
    );
  }

  #grown(output, piece) {
    const { text } = output;
    const entry = this.#live(output);
    if (entry.text.length + piece.length !== text.length) {
      this.#change(entry, { text });
      return;
    }
    entry.text = text;
    this.#tell('appended', { entry, text: piece });
  }

  #thought(output) {
    const entry = this.#live(output);
    entry.reasoning = output.reasoning;
    this.#tell('thought', { entry });
  }

  /** The entry of an output that grows. */
  #live(output) {
    const entry = this.#answer(output.outputId) ?? this.#begun(output);
    entry.output = output;
    const streaming = output.state === 'live';
    if (entry.streaming !== streaming || entry.cut) this.#change(entry, { streaming, cut: false });
    return entry;
  }

  #ended(output) {
    const { text, state, messageId } = output;
    let entry = this.#answer(output.outputId);
    // What lets an earlier answer grow is a part of that one now (contract 5.1).
    const whole = messageId ? this.entries.find((other) => other !== entry && other.messageId === messageId) : undefined;
    if (whole) {
      if (entry) this.#remove((other) => other === entry);
      return;
    }
    if (!entry && !text) return;
    entry ??= this.#begun(output);
    const failed = state === 'failed' || state === 'gone';
    this.#change(entry, {
      output,
      text: failed && entry.kept !== null ? entry.kept : text,
      reasoning: output.reasoning,
      name: nameOf(output.character) || entry.name,
      failed,
      stopped: state === 'cancelled',
      lost: !output.stored || state === 'gone',
      streaming: false,
      cut: false,
      stopping: false,
    });
    this.#finish(entry);
  }

  /** Once for each text, however often the hub tells it. */
  #finish(entry) {
    if (entry.told === entry.text) return;
    entry.told = entry.text;
    this.#tell('finished', { entry });
  }

  // ---- inside: entries

  #add(entry) {
    this.#all.add(entry);
    this.#claim(entry);
    this.#tell('waiting', {});
    return entry;
  }

  /** What was said of a question before the history brought it. */
  #keep(said) {
    const { requestId } = said;
    if (this.#known || typeof requestId !== 'string') return false;
    const before = this.#unclaimed.get(requestId);
    this.#unclaimed.set(requestId, { ...said, message: said.message || before?.message });
    if (this.#unclaimed.size > UNCLAIMED_MOST) this.#unclaimed.delete(this.#unclaimed.keys().next().value);
    return true;
  }

  #claim({ kind, requestId }) {
    const said = kind === 'mine' ? this.#unclaimed.get(requestId) : undefined;
    if (said === undefined) return;
    this.#unclaimed.delete(requestId);
    this.status(said);
  }

  #change(entry, fields) {
    Object.assign(entry, fields);
    this.#tell('changed', { entry });
    this.#tell('waiting', {});
  }

  #remove(goes) {
    if (this.#all.remove(goes)) this.#tell('waiting', {});
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
