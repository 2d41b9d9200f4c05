// @ts-check
// The client of a newage hub for who asks: './index.js' without `serve` and what belongs to it.
import { Hub } from './lib/hub.js';

export { Answer } from './lib/answer.js';
export { Failure } from './lib/failure.js';
export { Hub } from './lib/hub.js';
export { Output } from './lib/output.js';

/**
 * Connect to a hub. The connection comes back by itself until it is closed.
 *
 * @param {string} url as `http://localhost:4000`; '' is the page's own
 * @param {object} how
 * @param {Function} how.io socket.io-client's `io`
 * @param {string} how.clientId who this is; the hub knows people by it
 * @param {string} [how.key] needed unless this runs on the hub's own machine
 * @param {string} [how.password] instead of a key, where the hub knows one
 * @param {string} [how.name] what people are shown
 * @param {string} [how.desc] what operators are shown
 * @param {string} [how.type] what kind of client this is, 'client' by default
 * @param {string} [how.identity] for a second one of the same clientId, which it begins with
 * @param {object} [how.options] of socket.io-client, as `{path, transports}`
 * @returns {Hub}
 */
export function connect(url, how) {
  return new Hub({ ...how, url });
}
