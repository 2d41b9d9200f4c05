// @ts-check

/** Which room is meant: one's own, where none is named. */
export function named(/** @type {string} */ roomName) {
  return roomName ? { roomName } : {};
}
