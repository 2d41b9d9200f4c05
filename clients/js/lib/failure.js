// @ts-check

/** What the hub refused, or what kept us from asking it. */
export class Failure extends Error {
  /**
   * @param {string} message the hub's own words, where it said any
   * @param {object} [known]
   * @param {number|string} [known.code] the hub's `errorCode` (docs/wire.md 1.9), or one of ours: `'timeout'`,
   *   `'disconnected'`, `'closed'`, `'gone'`
   * @param {string} [known.word] the hub's `code`, a word as `'REPLACED'`
   * @param {any} [known.body] all that it said
   */
  constructor(message, { code = 'unknown', word = '', body = undefined } = {}) {
    super(message);
    this.name = 'Failure';
    this.code = code;
    this.word = word;
    this.body = body;
  }

  /** @param {any} body an ack or ERROR of the hub */
  static of(body) {
    const message = body?.message ?? body?.error?.message;
    return new Failure(typeof message === 'string' && message ? message : 'The hub reported a problem and did not say which.', {
      code: body?.errorCode ?? body?.error?.code ?? 'unknown',
      word: typeof body?.code === 'string' ? body.code : '',
      body,
    });
  }

  /** The line was cut before the hub could answer: whether it heard us is not known. */
  get lost() {
    return this.code === 'disconnected' || this.code === 'timeout';
  }
}
