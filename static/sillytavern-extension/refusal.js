// @ts-check
// Why something is not done, in words for who asked.

export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {number} [code] errorCode of the contract: 6 not allowed, 7 not found, 9 not now
   */
  constructor(message, code = 9) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** Not now: the hub asks again. */
export class Busy extends Refusal {
  /** @param {string} message @param {number} [afterMs] */
  constructor(message, afterMs = 2_000) {
    super(message, 9);
    this.name = 'Busy';
    this.afterMs = afterMs;
  }
}
