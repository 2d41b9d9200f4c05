// @ts-check

/** Named events with any number of listeners. What a listener throws stops neither the others nor who told. */
export class Emitter {
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();

  /**
   * @param {string} name
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} takes the listener away again
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  /**
   * @param {string} name
   * @param {...any} args
   */
  emit(name, ...args) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        const doing = listener(...args);
        if (typeof doing?.then === 'function') doing.then(undefined, (/** @type {any} */ error) => this.threw(error, name, args));
      } catch (error) {
        this.threw(error, name, args);
      }
    }
  }

  /**
   * A listener threw, at once or later: told where uncaught errors are told.
   * @param {any} error
   * @param {string} name
   * @param {any[]} args
   */
  threw(error, name, args) {
    Promise.reject(error);
  }
}
