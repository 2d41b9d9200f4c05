// What has been said in one room, in order: a model without DOM or sockets. Views listen to its events:
// 'added' {entry, before}, 'moved' {entry, before}, 'changed' {entry}, 'appended' {entry, text}, 'removed' {entry}, 'finished' {entry} (it is whole and new), 'waiting' {}.

const LIMIT = 500; // entries kept; older ones are dropped from the page, not from the hub

/**
 * One entry. `kind` is 'mine', 'theirs', 'answer' or 'system'. `state` belongs to questions: 'sending', then what
 * REQUEST_STATUS_UPDATE says, or 'failed'. `streaming` and `failed` belong to answers.
 */
function entryOf(kind, fields) {
  return {
    kind,
    author: '',
    name: '', // what the author wants to be called; never shown without the author
    text: '',
    timestamp: '',
    seq: null,
    messageId: null,
    earlierIds: [], // message ids of the same question before it was asked again
    requestId: null,
    asked: null, // request id that it was asked by first: its answers have it, too
    question: null, // of an answer: the entry it answers, if that is here
    after: null, // of what the hub has not stored: the seq of what was last when it came
    number: 0, // in the order of arrival
    fresh: false, // it came since the line is up: a history that was read before it says nothing of it
    outputId: null,
    state: '',
    note: '',
    streaming: false,
    failed: false,
    nextChunk: 0,
    ...fields,
  };
}

/** Names are anybody's to choose, and two may look alike: whose it is stands beside it (A40). */
export const authorOf = ({ author, name }) => (name && name !== author ? `${name} (${author})` : author);

const plain = (value) => (typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value));

/** What decides the place of an entry; compared from the left. */
function rank(entry) {
  const { question } = entry;
  if (question !== null) return [...rank(question), entry.seq ?? Infinity, entry.number];
  if (entry.seq !== null) return [entry.seq, 0];
  return [entry.after === null ? Infinity : entry.after + 0.5, entry.number];
}

function precedes(one, other) {
  const [mine, theirs] = [rank(one), rank(other)];
  for (let at = 0; at < mine.length; at += 1) {
    if (at >= theirs.length) return false;
    if (mine[at] !== theirs[at]) return mine[at] < theirs[at];
  }
  return mine.length < theirs.length;
}

export class Conversation extends EventTarget {
  #entries = [];
  #me;
  #limit;
  #now;
  #sync = null;
  #known = false; // the history is here
  #count = 0;

  /** `me` is this page's identity; `now` gives an ISO time for what has none yet. */
  constructor(me, { limit = LIMIT, now = () => new Date().toISOString() } = {}) {
    super();
    this.#me = me;
    this.#limit = limit;
    this.#now = now;
  }

  get entries() {
    return this.#entries;
  }

  /** True while a question of this page is on its way and nothing of its answer has come. */
  get waiting() {
    return this.#entries.some(
      (entry) =>
        entry.kind === 'mine' &&
        (entry.state === 'forwarded' || entry.state === 'processing') &&
        !this.#entries.some((other) => other.kind === 'answer' && other.requestId === entry.requestId),
    );
  }

  // ---- questions of this page

  ask(requestId, text) {
    const after = this.#known ? Math.max(0, ...this.#entries.map((entry) => entry.seq ?? 0)) : null;
    return this.#add(
      entryOf('mine', { author: this.#me, text, requestId, after, fresh: true, state: 'sending', timestamp: this.#now() }),
    );
  }

  /** The same question once more under a new request id. */
  askAgain(entry, requestId) {
    if (entry.messageId !== null) entry.earlierIds.push(entry.messageId);
    entry.messageId = null;
    entry.requestId = requestId;
    this.#change(entry, { state: 'sending', note: '' });
  }

  /** The hub took the question. Statuses may have overtaken the ack: they know better. */
  accepted(requestId, ack) {
    const entry = this.#question(requestId);
    if (!entry) return;
    entry.messageId ??= ack.messageId ?? null;
    if (entry.state === 'sending') this.#change(entry, { state: ack.state ?? '' });
  }

  refused(requestId, message, messageId = null) {
    const entry = this.#question(requestId);
    if (!entry) return false;
    entry.messageId ??= messageId;
    this.#change(entry, { state: 'failed', note: message || entry.note });
    return true;
  }

  status({ requestId, status, message, waitsFor }) {
    const entry = this.#question(requestId);
    if (!entry || typeof status !== 'string') return;
    const state = status === 'queued' && (waitsFor === 'turn' || waitsFor === 'extension') ? waitsFor : status;
    this.#change(entry, { state, note: plain(message) || entry.note });
  }

  // ---- answers as they arrive

  streamed({ outputId, requestId = null, identity, chunkIndex, data }) {
    if (typeof data !== 'string' || outputId == null) return;
    let entry = this.#answer(outputId);
    if (!entry) {
      entry = entryOf('answer', { author: plain(identity), outputId, requestId, streaming: true, fresh: true, timestamp: this.#now() });
      this.#add(entry);
    } else if (!entry.streaming) {
      entry.nextChunk = 0; // resumed after its end: its numbers are whatever they are
      this.#change(entry, { streaming: true });
    }
    if (Number.isInteger(chunkIndex)) {
      if (chunkIndex < entry.nextChunk) return; // told twice
      entry.nextChunk = chunkIndex + 1;
    }
    entry.text += data;
    this.#tell('appended', { entry, text: data });
  }

  /** The end carries the whole text, so what was missed on the way is there now. */
  ended({ outputId, requestId = null, identity, data, failed = false }) {
    if (outputId == null) return;
    let entry = this.#answer(outputId);
    const text = typeof data === 'string' ? data : '';
    if (!entry) {
      if (!text) return;
      entry = this.#add(entryOf('answer', { author: plain(identity), outputId, requestId, timestamp: this.#now() }));
    }
    // A resumed answer's end may tell only its last part; the stored message that follows tells all.
    const whole = text.length >= entry.text.length ? text : entry.text;
    this.#change(entry, { streaming: false, failed: Boolean(failed), text: whole });
    this.#tell('finished', { entry });
  }

  /** The line is cut: nothing streams until it is back, and then history tells what was missed. */
  interrupted() {
    this.#known = false;
    for (const entry of this.#entries) {
      entry.fresh = false;
      if (entry.streaming) this.#change(entry, { streaming: false });
    }
  }

  // ---- what the hub has stored

  /** A stored message, new or changed. `live`: it is news, not history. */
  stored(message, { live = false } = {}) {
    if (message === null || typeof message !== 'object') return;
    const known = this.#find(message);
    if (known?.earlierIds.includes(message.messageId)) return;
    if (known) {
      this.#change(known, this.#fieldsOf(message, known));
      this.#settle(known);
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
    if (live && entry.kind !== 'mine') this.#tell('finished', { entry });
  }

  deleted(messageIds) {
    const gone = new Set(messageIds);
    for (const entry of this.#entries) entry.earlierIds = entry.earlierIds.filter((id) => !gone.has(id));
    this.#remove((entry) => {
      if (entry.messageId === null || !gone.has(entry.messageId)) return false;
      entry.messageId = entry.earlierIds.pop() ?? null;
      return entry.messageId === null;
    });
  }

  cleared(requests, responses) {
    this.#remove((entry) => entry.messageId !== null && (entry.kind === 'answer' ? responses : requests));
  }

  /** One page of the room's history. With the last one, what the hub no longer has goes from here too. */
  page({ updateId, contextPage, isLastPage, seq }) {
    if (this.#sync?.updateId !== updateId) this.#sync = { updateId, ids: new Set() };
    for (const message of Array.isArray(contextPage) ? contextPage : []) {
      this.#sync.ids.add(message.messageId);
      this.stored(message);
    }
    if (!isLastPage) return;
    this.#known = true;
    const { ids } = this.#sync;
    this.#sync = null;
    this.#remove(
      (entry) =>
        !entry.fresh &&
        entry.messageId !== null &&
        entry.seq !== null &&
        entry.seq <= (seq ?? 0) &&
        ![entry.messageId, ...entry.earlierIds].some((id) => ids.has(id)),
    );
  }

  clear() {
    this.#sync = null;
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
    return {
      author: plain(message.identity),
      name: typeof message.name === 'string' ? message.name.slice(0, 64) : '',
      text: plain(message.message),
      timestamp: message.timestamp ?? entry.timestamp,
      seq: entry.seq ?? message.seq ?? null,
      messageId: message.messageId ?? entry.messageId,
      requestId: entry.requestId ?? message.requestId ?? null,
      outputId: message.outputId ?? entry.outputId,
      failed: Boolean(message.failed),
      streaming: false,
    };
  }

  #find(message) {
    return this.#entries.find(
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
    return this.#entries.findLast(
      (entry) => (entry.kind === 'mine' || entry.kind === 'theirs') && entry.author === message.identity && entry.text === text,
    );
  }

  #repeat(entry, message) {
    if (entry.messageId !== null) entry.earlierIds.push(entry.messageId);
    this.#change(entry, { messageId: message.messageId ?? null, requestId: message.requestId ?? null });
  }

  #question(requestId) {
    if (requestId == null) return undefined;
    return this.#entries.findLast((entry) => entry.kind === 'mine' && entry.requestId === requestId);
  }

  #answer(outputId) {
    return this.#entries.findLast((entry) => entry.kind === 'answer' && entry.outputId === outputId);
  }

  #add(entry) {
    entry.number = ++this.#count;
    entry.asked ??= entry.requestId;
    this.#link(entry);
    const at = this.#place(entry);
    const before = this.#entries[at] ?? null;
    this.#entries.splice(at, 0, entry);
    this.#tell('added', { entry, before });
    if (entry.kind === 'mine' || entry.kind === 'theirs') this.#settleAnswers(entry);
    if (this.#entries.length > this.#limit) this.#tell('removed', { entry: this.#entries.shift() });
    this.#tell('waiting', {});
    return entry;
  }

  /** An answer finds its question, or a question its answers. */
  #link(entry) {
    if (entry.asked === null) return;
    const questions = (other) => (other.kind === 'mine' || other.kind === 'theirs') && other.asked === entry.asked;
    if (entry.kind === 'answer') entry.question ??= this.#entries.findLast(questions) ?? null;
    else if (entry.kind !== 'system')
      for (const other of this.#entries)
        if (other.kind === 'answer' && other.asked === entry.asked) other.question ??= entry;
  }

  /** Where it belongs: an answer below its question, the rest in the order of the hub; what it has not stored yet last. */
  #place(entry) {
    let at = this.#entries.length;
    while (at > 0 && precedes(entry, this.#entries[at - 1])) at -= 1;
    return at;
  }

  /** Something about its place became known: move it there. */
  #settle(entry) {
    const from = this.#entries.indexOf(entry);
    if (from < 0) return;
    this.#entries.splice(from, 1);
    const to = this.#place(entry);
    this.#entries.splice(to, 0, entry);
    if (to !== from) this.#tell('moved', { entry, before: this.#entries[to + 1] ?? null });
    if (entry.kind !== 'answer') this.#settleAnswers(entry);
  }

  #settleAnswers(question) {
    for (const entry of this.#entries.filter((other) => other.question === question)) this.#settle(entry);
  }

  #change(entry, fields) {
    Object.assign(entry, fields);
    this.#tell('changed', { entry });
    this.#tell('waiting', {});
  }

  #remove(goes) {
    const gone = this.#entries.filter(goes);
    if (gone.length === 0) return;
    this.#entries = this.#entries.filter((entry) => !gone.includes(entry));
    for (const entry of gone) this.#tell('removed', { entry });
    this.#tell('waiting', {});
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
