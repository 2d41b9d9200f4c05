// Reads what the hub has stored of a room into a conversation: the newest first, so that it is there at once.

import { LIMIT } from './conversation.js';

const FIRST = 50; // messages
const NEXT = 200;

export class History {
  #hub;
  #room;
  #conversation;
  #turn = 0;

  /** `hub` is newage-client's. */
  constructor(hub, room, conversation) {
    this.#hub = hub;
    this.#room = room;
    this.#conversation = conversation;
  }

  /**
   * Read it again, from its end to its beginning or the page's limit. `begun` is called when its newest messages are here.
   * What is read while a later reading begins counts for nothing, and a line that goes ends it: it is read when it is back.
   * @returns whether all was read
   */
  async read(begun) {
    const turn = ++this.#turn;
    const ids = new Set();
    let from = 0;
    let seq = null;
    for (let more = true; more; ) {
      const page = await this.#page(seq === null ? { limit: FIRST } : { limit: NEXT, before: from }, turn);
      if (page === null) return false;
      if (seq === null) begun();
      seq ??= page.seq;
      this.#conversation.read(page.messages);
      for (const { messageId } of page.messages) ids.add(messageId);
      from = page.messages[0]?.seq ?? 0;
      more = page.hasMore && from > 0 && ids.size < LIMIT;
      if (!page.hasMore) from = 0;
    }
    this.#conversation.whole({ ids, from, seq });
    return true;
  }

  /** null: no longer wanted, or the line went. */
  async #page(which, turn) {
    for (;;) {
      try {
        const page = await this.#hub.history(this.#room, which);
        return turn === this.#turn ? page : null;
      } catch (failure) {
        if (turn !== this.#turn || failure.code !== 'timeout' || this.#hub.state !== 'connected') return null;
      }
    }
  }
}
