// @ts-check
// What the hub says when it lets nobody in, or does not do what was asked, and what to do about it.

/** @type {ReadonlyMap<string, string>} */
export const ADVICE = new Map([
  ['Invalid pairing code', 'The pairing code is wrong or too old. The command newage pair shows a new one.'],
  ['Client is not trusted.', 'The hub does not know this SillyTavern. Enter the code that newage pair shows there.'],
  ['Invalid key.', 'The hub does not take this key. Enter the code that newage pair shows there.'],
  ['Your key was revoked.', 'The hub does not take this key. Enter the code that newage pair shows there.'],
  ['Your key has expired.', 'The hub does not take this key. Enter the code that newage pair shows there.'],
  ['Unauthorized', 'The operator of the hub said no.'],
  ['Too many attempts.', 'The hub was tried too often with a wrong key: wait a minute.'],
  ['Too many sessions.', 'The hub is full.'],
  ['A newer page of this SillyTavern has taken over.', ''], // the state says so
]);
const NO_MEMBER = /^You are not a member of room [^]*\.$/;
const JOIN_FIRST = 'The extension is not a member of this room: who is, adds it there.';

/** Words of the panel's for what the hub said, or its own. */
export function adviceOf(/** @type {string} */ message) {
  if (NO_MEMBER.test(message)) return JOIN_FIRST;
  return ADVICE.get(message) ?? message;
}
