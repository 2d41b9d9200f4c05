// @ts-check
// As './index.js', with socket.io-client brought along.
import { io } from 'socket.io-client';
import * as core from './index.js';

export * from './index.js';

/** @param {string} url @param {any} how see './index.js' */
export function connect(url, how) {
  return core.connect(url, { io, ...how });
}

/** @param {string} url @param {any} how see './index.js' */
export function serve(url, how) {
  return core.serve(url, { io, ...how });
}
