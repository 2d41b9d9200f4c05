// @ts-check
import { Emitter } from './emitter.js';
import { Failure } from './failure.js';
import { Output } from './output.js';

const LLM = '/llm';
const RESUME_MS = 250; // between two RESUME_OUTPUTS: 5 a second are allowed
const RESUME_AT_ONCE = 3; // so many, too
const RESUME_MOST = 64; // outputs, and requests, in one of them, unless the hub says less
const LESS = /^At most (\d+) (outputs|requests) at once\.$/;
const BUSY = 9; // errorCode: too many events
const BUSY_MS = 1_000;
const BUSY_TRIES = 3;
const RESUME_TRIES = 4; // that bring nothing new
const OUTPUTS_KEPT = 256;

/**
 * Our copies of the outputs that the hub tells of, and how they catch up with it: at each return, and whenever one is behind.
 *
 * Tells 'output' (output) of each new one, before it has a text (whose it is, it knows), and 'resumed' (output) of one that
 * is over when the hub says what became of it, 'standing' (said) of each request that it was asked about, at a return.
 */
export class Outputs extends Emitter {
  /** @type {Map<string, Output>} */
  #known = new Map();
  /** @type {Map<Output, number>} fruitless attempts */
  #tries = new Map();
  #epoch = '';
  #timer = /** @type {any} */ (null);
  #resuming = false;
  #most = { outputs: RESUME_MOST, requests: RESUME_MOST };
  #line;
  #waiting;
  /** @type {Map<string, any>} where requests stood at the last return, by their ids; empty where the hub does not say */
  standings = new Map();
  /** Whether this hub keeps outputs for who returns. */
  resumes = false;

  /**
   * @param {() => import('./line.js').Line} line
   * @param {() => string[]} waiting the requests of which one waits to hear
   */
  constructor(line, waiting) {
    super();
    this.#line = line;
    this.#waiting = waiting;
  }

  /** Those that are live now, or were a while ago. */
  get all() {
    return [...this.#known.values()];
  }

  /** The output that something is said of. */
  of(/** @type {any} */ said) {
    let output = this.#known.get(said.outputId);
    if (output) return output;
    output = new Output(said.outputId);
    output.describe(said);
    this.#known.set(said.outputId, output);
    for (const [id, old] of this.#known) {
      if (this.#known.size <= OUTPUTS_KEPT) break;
      if (old.state !== 'live') this.#known.delete(id);
    }
    this.emit('output', output);
    return output;
  }

  /** Something is said that changes one. */
  grow(/** @type {any} */ said, /** @type {(output: Output) => void} */ change) {
    if (typeof said.outputId !== 'string') return;
    const output = this.of(said);
    change(output);
    if (output.behind) this.#resumeSoon();
  }

  /** SERVER_STREAM_START */
  started(/** @type {any} */ said) {
    this.grow(said, (output) => {
      if (typeof said.epoch === 'string') this.#epoch = said.epoch;
      output.started(said);
    });
  }

  /** The hub handles events in order: what has not answered when the second one has, it does not know. */
  async greet() {
    const line = this.#line();
    const known = this.#live;
    const waiting = this.#waiting();
    const { outputs, requests } = this.#most;
    this.standings.clear();
    const ask = (/** @type {any} */ question) => line.ask(LLM, 'RESUME_OUTPUTS', question, undefined, (ack) => this.#stand(ack));
    const resumed = ask(this.#question(known.slice(0, outputs), waiting.slice(0, requests))).catch((failure) => (failure.lost ? null : failure));
    await line.ask(LLM, 'GET_MESSAGES', { limit: 1 }).catch((failure) => {
      if (failure.lost || line.refusal) throw failure;
    });
    const ack = await Promise.race([resumed, Promise.resolve().then(() => undefined)]);
    const refused = ack instanceof Failure;
    this.resumes = refused || Array.isArray(ack?.outputs);
    if (!this.resumes) return;
    if (!refused) this.#take(ack, known.slice(outputs));
    const rest = refused ? waiting : waiting.slice(requests);
    if (refused ? !this.#learn(ack) : !rest.length || !requests) return;
    await this.#pieces(refused ? known : this.#live.slice(0, 1), rest, ask).catch((failure) => {
      if (failure.lost) throw failure; // else what the hub does not say is found in the history
    });
  }

  /** Where requests stand that nobody waits for here; what there is of live outputs comes with it. */
  async stand(/** @type {string[]} */ requests) {
    return this.#pieces(this.#live, requests, (question) => this.#line().call(LLM, 'RESUME_OUTPUTS', question));
  }

  /** The line was cut. */
  cut() {
    for (const output of this.#known.values()) output.cut();
  }

  close() {
    this.#line().world.clearTimeout(this.#timer);
  }

  // ---- inside

  /** Told at once: what the hub says of a request after this is newer. */
  #stand(/** @type {any} */ ack) {
    for (const said of Array.isArray(ack?.requests) ? ack.requests : []) {
      if (typeof said?.requestId !== 'string') continue;
      this.standings.set(said.requestId, said);
      this.emit('standing', said);
    }
  }

  get #live() {
    return this.all.filter((output) => output.state === 'live');
  }

  #question(/** @type {Output[]} */ outputs, /** @type {string[]} */ requests = []) {
    return {
      ...(this.#epoch ? { epoch: this.#epoch } : {}),
      outputs: outputs.map((output) => output.position),
      ...(requests.length ? { requests } : {}),
    };
  }

  /**
   * Where all of these requests stand, as many at once as the hub takes, and what there is of as many outputs; of the others, soon.
   * @param {Output[]} outputs
   * @param {string[]} requests
   * @param {(question: any) => Promise<any>} ask
   * @returns {Promise<any[]>}
   */
  async #pieces(outputs, requests, ask) {
    const found = [];
    let left = requests;
    for (let asked = 0, busy = 0; ; asked += 1) {
      if (asked >= RESUME_AT_ONCE) await this.#pause(RESUME_MS);
      const most = { ...this.#most };
      const piece = left.slice(0, most.requests);
      try {
        const ack = await ask(this.#question(outputs.slice(0, most.outputs), piece));
        this.#take(ack, outputs.slice(most.outputs));
        if (Array.isArray(ack.requests)) found.push(...ack.requests);
      } catch (error) {
        const failure = /** @type {Failure} */ (error);
        if (this.#learn(failure)) continue;
        busy += 1;
        if (failure.code !== BUSY || busy > BUSY_TRIES) throw failure;
        await this.#pause(BUSY_MS);
        continue;
      }
      left = left.slice(piece.length);
      if (!left.length || !piece.length) return found;
    }
  }

  /** The hub takes less at once; whether it said how much. */
  #learn(/** @type {Failure} */ failure) {
    const [, said, which] = LESS.exec(failure.message) ?? [];
    const of = which === 'outputs' ? 'outputs' : 'requests';
    if (!which || Number(said) >= this.#most[of]) return false;
    this.#most[of] = Number(said);
    return true;
  }

  async #pause(/** @type {number} */ ms) {
    const line = this.#line();
    await new Promise((resolve) => line.world.setTimeout(() => resolve(undefined), ms));
    if (!line.open) throw new Failure('The line was cut.', { code: 'disconnected' });
  }

  /** @param {any} ack @param {Output[]} later what is asked for soon */
  #take(ack, later = []) {
    for (const output of later) this.#tries.set(output, this.#tries.get(output) ?? 0);
    if (typeof ack.epoch === 'string') this.#epoch = ack.epoch;
    for (const said of ack.outputs) {
      if (typeof said?.outputId !== 'string') continue;
      const output = this.of(said);
      const before = output.text.length + output.reasoning.length;
      const more = output.resumed(said);
      if (output.state !== 'live') this.emit('resumed', output);
      const tries = output.text.length + output.reasoning.length > before ? 0 : (this.#tries.get(output) ?? 0) + 1;
      if (!more && !output.behind) this.#tries.delete(output);
      else if (tries < RESUME_TRIES) this.#tries.set(output, tries);
      else {
        this.#tries.delete(output);
        output.settleFor();
      }
    }
    if (this.#wanted().length) this.#resumeSoon();
  }

  #wanted() {
    return this.all.filter((output) => output.behind || this.#tries.has(output));
  }

  #resumeSoon() {
    if (!this.resumes || this.#resuming || this.#timer !== null) return;
    this.#timer = this.#line().world.setTimeout(() => this.#resume(), RESUME_MS);
  }

  async #resume() {
    this.#timer = null;
    const line = this.#line();
    const wanted = this.#wanted().slice(0, this.#most.outputs);
    if (!wanted.length || line.state !== 'connected') return;
    this.#resuming = true;
    try {
      this.#take(await line.ask(LLM, 'RESUME_OUTPUTS', this.#question(wanted)));
    } catch (failure) {
      this.#learn(/** @type {Failure} */ (failure)); // else the line was cut, and the next greeting asks; or the hub is busy
    }
    this.#resuming = false;
    if (this.#wanted().length) this.#resumeSoon();
  }
}
