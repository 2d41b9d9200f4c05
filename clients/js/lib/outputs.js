// @ts-check
import { Emitter } from './emitter.js';
import { Output } from './output.js';

const LLM = '/llm';
const RESUME_MS = 250; // between two RESUME_OUTPUTS: 5 a second are allowed
const RESUME_MOST = 64; // outputs in one of them
const RESUME_TRIES = 4; // that bring nothing new
const OUTPUTS_KEPT = 256;

/**
 * Our copies of the outputs that the hub tells of, and how they catch up with it: at each return, and whenever one is behind.
 *
 * Tells 'output' (output, said) of each new one, before it has a text, and 'resumed' (output) of one that is over when the
 * hub says what became of it.
 */
export class Outputs extends Emitter {
  /** @type {Map<string, Output>} */
  #known = new Map();
  /** @type {Map<Output, number>} fruitless attempts */
  #tries = new Map();
  #epoch = '';
  #timer = /** @type {any} */ (null);
  #resuming = false;
  #line;
  /** Whether this hub keeps outputs for who returns. */
  resumes = false;

  /** @param {() => import('./line.js').Line} line */
  constructor(line) {
    super();
    this.#line = line;
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
    this.#known.set(said.outputId, output);
    for (const [id, old] of this.#known) {
      if (this.#known.size <= OUTPUTS_KEPT) break;
      if (old.state !== 'live') this.#known.delete(id);
    }
    this.emit('output', output, said);
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
    const known = this.all.filter((output) => output.state === 'live').slice(0, RESUME_MOST);
    const resumed = line.ask(LLM, 'RESUME_OUTPUTS', this.#question(known)).catch((failure) => (failure.lost ? null : { outputs: [] }));
    await line.ask(LLM, 'GET_MESSAGES', { limit: 1 }).catch((failure) => {
      if (failure.lost || line.refusal) throw failure;
    });
    const ack = await Promise.race([resumed, Promise.resolve().then(() => undefined)]);
    this.resumes = Array.isArray(ack?.outputs);
    if (this.resumes) this.#take(ack);
  }

  /** The line was cut. */
  cut() {
    for (const output of this.#known.values()) output.cut();
  }

  close() {
    this.#line().world.clearTimeout(this.#timer);
  }

  // ---- inside

  #question(/** @type {Output[]} */ outputs) {
    return { ...(this.#epoch ? { epoch: this.#epoch } : {}), outputs: outputs.map((output) => output.position) };
  }

  #take(/** @type {any} */ ack) {
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
    const wanted = this.#wanted().slice(0, RESUME_MOST);
    if (!wanted.length || line.state !== 'connected') return;
    this.#resuming = true;
    try {
      this.#take(await line.ask(LLM, 'RESUME_OUTPUTS', this.#question(wanted)));
    } catch {
      // the line was cut, and the next greeting asks; or the hub is busy
    }
    this.#resuming = false;
    if (this.#wanted().length) this.#resumeSoon();
  }
}
