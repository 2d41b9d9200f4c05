// @ts-check

const WAITING_MAX = 1_048_576; // UTF-16 units that wait for what lies before them

/** One text, put together from pieces that say where they begin: a piece that came twice is taken once. */
export class Pieces {
  text = '';
  /** @type {Map<number, string>} */
  #waiting = new Map();
  #waitingUnits = 0;

  /** Whether something lies ahead whose beginning is missing. */
  get gap() {
    return this.#waiting.size > 0;
  }

  /**
   * @param {number} at UTF-16 units before it
   * @param {string} data
   * @returns {string} what is new at the end of the text now
   */
  add(at, data) {
    const before = this.text.length;
    if (!this.#append(at, data)) {
      if (data.length + this.#waitingUnits <= WAITING_MAX && (this.#waiting.get(at)?.length ?? -1) < data.length) {
        this.#waitingUnits += data.length - (this.#waiting.get(at)?.length ?? 0);
        this.#waiting.set(at, data);
      }
      return '';
    }
    for (const [begin, piece] of [...this.#waiting].sort(([a], [b]) => a - b)) {
      if (!this.#append(begin, piece)) break;
      this.#waiting.delete(begin);
      this.#waitingUnits -= piece.length;
    }
    return this.text.slice(before);
  }

  /**
   * Everything from here on is no longer true.
   * @param {number} at
   * @returns {boolean} whether the text became shorter
   */
  cut(at) {
    for (const [begin, piece] of [...this.#waiting]) {
      if (begin + piece.length <= at) continue;
      this.#waiting.delete(begin);
      this.#waitingUnits -= piece.length;
      if (begin < at) this.add(begin, piece.slice(0, at - begin));
    }
    if (at >= this.text.length) return false;
    this.text = this.text.slice(0, at);
    return true;
  }

  /**
   * The whole text is known.
   * @param {string} whole
   * @returns {number} where it differs from what was there: the length of that if it only grew
   */
  become(whole) {
    this.forget();
    let same = 0;
    if (whole.startsWith(this.text)) same = this.text.length;
    else while (same < whole.length && whole[same] === this.text[same]) same += 1;
    return same;
  }

  /** What waits will not be joined. */
  forget() {
    this.#waiting.clear();
    this.#waitingUnits = 0;
  }

  #append(/** @type {number} */ at, /** @type {string} */ data) {
    if (at > this.text.length) return false;
    if (at + data.length > this.text.length) this.text += data.slice(this.text.length - at);
    return true;
  }
}
