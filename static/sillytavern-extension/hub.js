// @ts-check
// The line to the hub: thin on the client of clients/js, which comes back by itself, resumes open outputs, and asks for a key.

import { Failure, serve } from './client/index.js';
import { CAPACITY } from './queue.js';
import { Refusal } from './refusal.js';
// @ts-ignore
import { io } from './vendor/socket.io.esm.min.js';

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
 */
export function connect({ settings, port, pair = '', version, request, calls, keep, state, up, problem }) {
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
    keep: ({ key }) => keep(key),
    features: FEATURES,
    capacity: CAPACITY + 1,
    exclusive: true,
  });
  line.on('request', request);
  line.on('state', state);
  line.on('up', up);
  for (const told of ['problem', 'warning']) line.on(told, (body) => body?.message && problem(String(body.message)));
  for (const [event, call] of Object.entries(calls)) {
    line.answer(event, async (said) => {
      try {
        return await call(said);
      } catch (error) {
        if (error instanceof Refusal) throw new Failure(error.message, { code: error.code });
        throw error;
      }
    });
  }
  return line;
}
