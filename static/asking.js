// Questions of this page, from the words that were typed to their end: what the hub says of them goes to the conversation.

const NOTED = 'newage.asked';
const UNKNOWN = 7; // errorCode: there is no such request (contract 1.9)

export class Asking {
  #hub;
  #room;
  #conversation;
  #notes;
  #answers = new Map(); // request id -> newage-client's Answer, while more is to come
  #earlier; // request ids that this tab had asked before it was loaded again, until the hub says that they are over

  /** `notes` keeps a tab's own over a reload, as sessionStorage does; null where that is forbidden. */
  constructor(hub, room, conversation, notes = null) {
    this.#hub = hub;
    this.#room = room;
    this.#conversation = conversation;
    this.#notes = notes;
    this.#earlier = this.#noted();
  }

  /** The history is here: what had been asked before a reload is with an extension, unless the hub says how else it stands. */
  async recall() {
    if (this.#earlier.length === 0) return;
    for (const requestId of this.#earlier) this.#conversation.handedOut(requestId);
    const standings = await this.#hub.standings(this.#earlier).catch(() => null);
    if (standings === null) return; // the line went: it is asked for again when it is back
    this.#earlier = standings.filter(({ live }) => live).map(({ requestId }) => requestId);
    this.#note();
    for (const said of standings) {
      const { requestId, live, status, message } = said;
      if (live) this.#conversation.status(said);
      else this.#conversation.over(requestId, { state: status === 'gone' ? 'completed' : status, message: status === 'failed' ? message : '' });
    }
  }

  /** `target`: an extension's identity; '' leaves it to the hub. */
  ask(text, target) {
    const answer = this.#hub.ask(text, this.#to(target));
    this.#conversation.ask(answer.requestId, text);
    this.#listen(answer);
  }

  /** What the hub has stored is asked again by its id (contract A19); the rest is asked for the first time. */
  askAgain(entry, target) {
    const { messageId, text } = entry;
    const how = this.#to(target);
    this.#earlier = this.#earlier.filter((requestId) => requestId !== entry.requestId);
    const answer = messageId === null ? this.#hub.ask(text, how) : this.#hub.ask('', { ...how, action: 'regenerate', messageId });
    this.#conversation.askAgain(entry, answer.requestId);
    this.#listen(answer);
  }

  /** No more of the newest that is being answered, or waits for it. Resolves when the hub has heard it, rejects when it refuses. */
  async stop() {
    const [newest] = this.#conversation.running;
    if (!newest) return;
    const { requestId, requester } = newest;
    this.#conversation.stopping(requestId, true);
    try {
      const { state } = await (this.#answers.get(requestId)?.stop() ?? this.#hub.stop(requestId, requester));
      this.#conversation.over(requestId, { state });
    } catch (failure) {
      if (failure.code !== UNKNOWN) throw failure;
      this.#conversation.over(requestId, { state: 'completed' }); // long since
    } finally {
      this.#conversation.stopping(requestId, false);
    }
  }

  #to(target) {
    return { room: this.#room, ...(target ? { target } : {}) };
  }

  #listen(answer) {
    const { requestId } = answer;
    this.#answers.set(requestId, answer);
    this.#note();
    answer.on('status', (said) => {
      if (said.state !== undefined) this.#conversation.accepted(requestId, said);
      else if (said.live) this.#conversation.status(said); // while the line was down; all else the hub tells the page
    });
    answer.on('end', () => {
      this.#answers.delete(requestId);
      this.#note();
      const { state, failure } = answer;
      this.#conversation.over(requestId, { state, message: failure?.message, messageId: failure?.body?.messageId });
    });
  }

  #note() {
    try {
      this.#notes?.setItem(NOTED, JSON.stringify([...this.#earlier, ...this.#answers.keys()]));
    } catch {
      // forbidden or full: only the memory of it is lost
    }
  }

  #noted() {
    try {
      const noted = JSON.parse(this.#notes?.getItem(NOTED) ?? '[]');
      return Array.isArray(noted) ? noted.filter((id) => typeof id === 'string') : [];
    } catch {
      return [];
    }
  }
}
