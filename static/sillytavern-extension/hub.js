// @ts-check
// The line to the hub: thin on the client of clients/js, which comes back by itself, resumes open outputs, and asks for a key.

import { Failure, serve } from './client/index.js';
import { CAPACITY } from './queue.js';
import { Refusal } from './refusal.js';
import { turn } from './turn.js';
// @ts-ignore
import { io } from './vendor/socket.io.esm.min.js';

const WORDS_MAX = 300; // characters of what the hub says that are shown
const KEY_MAX = 256; // characters
const CALLS_MAX = 256; // calls that wait for their turn; more are refused
const FEATURES = ['accept', 'cancel', 'reasoning', 'reset', 'resume', 'groups', 'characters', 'snapshot', 'mirror'];

/**
 * Connect. What the hub asks goes to `request(task)`, its calls to `calls[event](payload)`, whose Refusal is told to who asked.
 *
 * @param {object} given
 * @param {any} given.settings address, name, key, suffix
 * @param {string} given.port SillyTavern's, which makes the id
 * @param {string} [given.pair] a pairing code
 * @param {string} given.version
 * @param {(task: any) => void} given.request
 * @param {Record<string, (said: any) => any>} given.calls
 * @param {(key: string) => Promise<void>} given.keep a key that the hub gave
 * @param {(state: {state: string, message: string}) => void} given.state
 * @param {() => void} given.up
 * @param {(message: string) => void} given.problem
 * @param {(here: boolean) => void} given.other another extension of this id, which the hub does not ask, has come or gone
 */
export function connect({ settings, port, pair = '', version, request, calls, keep, state, up, problem, other }) {
  const clientId = `SillyTavern-${port}`;
  const line = serve(settings.address, {
    io,
    clientId,
    // Where two SillyTaverns share a port, what tells them apart is in the identity: the id is what may trust itself locally.
    ...(settings.suffix ? { identity: `${clientId}-${settings.suffix}` } : {}),
    ...(settings.name ? { name: settings.name } : {}),
    desc: `SillyTavern, newage extension ${version}`,
    key: settings.key,
    pair,
    keep: ({ key }) => {
      if (key.length > KEY_MAX) throw new Refusal('The hub gave a key that is none.');
      return keep(key);
    },
    features: FEATURES,
    capacity: CAPACITY + 1,
    exclusive: true,
  });
  line.on('request', request);
  line.on('state', (change) => state({ ...change, message: words(change.message) }));
  line.on('up', up);
  for (const told of ['problem', 'warning']) {
    line.on(told, (body) => {
      if (body?.code === 'OTHER_EXTENSION' || body?.code === 'OTHER_EXTENSION_GONE') other(body.code === 'OTHER_EXTENSION');
      else if (words(body?.message)) problem(words(body.message));
    });
  }
  const turns = new Turns();
  for (const [event, call] of Object.entries(calls)) {
    line.answer(event, async (said) => {
      try {
        return await turns.take(() => call(said));
      } catch (error) {
        if (error instanceof Refusal) throw new Failure(error.message, { code: error.code });
        throw error;
      }
    });
  }
  return line;
}

/** What the hub says, as far as it is shown. @param {unknown} said */
function words(said) {
  return typeof said === 'string' ? said.slice(0, WORDS_MAX) : '';
}

/** The hub's calls one after the other, with room between them for all else that the page does. */
export class Turns {
  #last = Promise.resolve();
  #waiting = 0;

  /** @template T @param {() => T | Promise<T>} run @returns {Promise<T>} */
  take(run) {
    if (this.#waiting >= CALLS_MAX) return Promise.reject(new Refusal('Too much at once.'));
    this.#waiting += 1;
    const done = this.#last.then(run);
    this.#last = done
      .then(
        () => {},
        () => {},
      )
      .then(turn)
      .then(() => {
        this.#waiting -= 1;
      });
    return done;
  }
}
