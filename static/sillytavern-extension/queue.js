// @ts-check
// Who is answered when: in the chat one after the other, as SillyTavern has one foreground generation; headless side by side.

export const CAPACITY = 4; // requests at once that the hub is told of
const WAITING_MAX = 8; // for the chat
const LATER_MS = 2_000;

/**
 * One piece of work. `run` resolves when it is done, whatever became of it, and never rejects.
 * @typedef {object} Job
 * @property {any} task the hub's: accept(where, position), busy(afterMs, reason), signal
 * @property {'chat'|'headless'} where
 * @property {() => Promise<void>} run
 */

export class Queue {
  /** @type {Job[]} */
  #waiting = [];
  /** @type {Set<Job>} */
  #running = new Set();
  #changed;
  #capacity;

  /**
   * @param {object} [given]
   * @param {number} [given.capacity] headless ones at once
   * @param {() => void} [given.changed] told after every change
   */
  constructor({ capacity = CAPACITY, changed = () => {} } = {}) {
    this.#capacity = capacity;
    this.#changed = changed;
  }

  /** What is answered now. */
  get running() {
    return [...this.#running];
  }

  /** What waits for the chat, the next one first. */
  get waiting() {
    return [...this.#waiting];
  }

  /** Take it in, or say BUSY: the hub keeps it then, and asks again. */
  offer(/** @type {Job} */ job) {
    if (job.task.signal.aborted) return;
    const alike = this.running.filter((other) => other.where === job.where).length;
    if (job.where === 'headless') {
      if (alike >= this.#capacity) job.task.busy(LATER_MS, 'Too much at once.');
      else this.#begin(job);
    } else if (alike === 0) {
      this.#begin(job);
    } else if (this.#waiting.length >= WAITING_MAX) {
      job.task.busy(LATER_MS, 'Too many wait for this chat.');
    } else {
      this.#wait(job);
    }
  }

  // ---- inside

  #wait(/** @type {Job} */ job) {
    this.#waiting.push(job);
    job.task.accept('chat', this.#waiting.length);
    job.task.signal.addEventListener('abort', () => this.#drop(job), { once: true });
    this.#changed();
  }

  #drop(/** @type {Job} */ job) {
    const at = this.#waiting.indexOf(job);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    job.task.over();
    this.#tellPositions();
    this.#changed();
  }

  async #begin(/** @type {Job} */ job) {
    this.#running.add(job);
    job.task.accept(job.where);
    this.#changed();
    try {
      await job.run();
    } finally {
      this.#running.delete(job);
      if (job.where === 'chat') this.#next();
      this.#changed();
    }
  }

  #next() {
    const job = this.#waiting.shift();
    if (!job) return;
    this.#tellPositions();
    this.#begin(job);
  }

  #tellPositions() {
    this.#waiting.forEach((job, index) => job.task.accept('chat', index + 1));
  }
}
