// @ts-check
// The client of a newage hub, without socket.io-client: give its `io`. In Node, './node.js' brings it along.
import { Extension } from './lib/extension.js';

export { Answer, connect, Failure, Hub, Output } from './connect.js';
export { Extension } from './lib/extension.js';
export { Outlet } from './lib/outlet.js';
export { Task } from './lib/task.js';

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
 * @param {string} [how.identity] for a second one of the same clientId, which it begins with
 * @param {string} [how.name] what people are shown
 * @param {string} [how.desc] what operators are shown
 * @param {string} [how.html] what pages may show of it
 * @param {string} [how.type] 'SillyTavern' by default
 * @param {object} [how.options] of socket.io-client, as `{path, transports}`
 * @param {string} [how.instance] its tab, which a reload keeps
 * @param {string[]} [how.features] what of the contract this extension can do (docs/wire.md 14)
 * @param {number} [how.capacity] how many requests at once, 1-16
 * @param {boolean} [how.exclusive] the newest tab serves
 * @returns {Extension}
 */
export function serve(url, how) {
  return new Extension({ ...how, url });
}
