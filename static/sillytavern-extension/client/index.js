// @ts-check
// The client of a newage hub, without socket.io-client: give its `io`. In Node, './node.js' brings it along.
import { Extension } from './lib/extension.js';
import { Hub } from './lib/hub.js';

export { Answer } from './lib/answer.js';
export { Extension } from './lib/extension.js';
export { Failure } from './lib/failure.js';
export { Hub } from './lib/hub.js';
export { Outlet } from './lib/outlet.js';
export { Output } from './lib/output.js';
export { Task } from './lib/task.js';

/**
 * Connect to a hub. The connection comes back by itself until it is closed.
 *
 * @param {string} url as `http://localhost:4000`; '' is the page's own
 * @param {object} how
 * @param {Function} how.io socket.io-client's `io`
 * @param {string} how.clientId who this is; the hub knows people by it
 * @param {string} [how.key] needed unless this runs on the hub's own machine
 * @param {string} [how.name] what people are shown
 * @param {string} [how.identity] for a second one of the same clientId, which it begins with
 * @returns {Hub}
 */
export function connect(url, how) {
  return new Hub({ ...how, url });
}

/**
 * Answer for a hub: what an extension does. See `Extension`.
 *
 * @param {string} url
 * @param {object} how
 * @param {Function} how.io socket.io-client's `io`
 * @param {string} how.clientId begins with `SillyTavern`
 * @param {string} [how.key] what `keep` was given another time
 * @param {(key: {key: string, clientId: string, scope: string}) => any} [how.keep] keeps a key that the hub gave; it is used
 *   when that is done, for then nobody is let in without it
 * @param {string} [how.pair] a pairing code, for an extension that has no key and is on another machine
 * @param {string[]} [how.features] what of the contract this extension can do (docs/wire.md 14)
 * @param {number} [how.capacity] how many requests at once, 1-16
 * @param {boolean} [how.exclusive] the newest tab serves
 * @returns {Extension}
 */
export function serve(url, how) {
  return new Extension({ ...how, url });
}
