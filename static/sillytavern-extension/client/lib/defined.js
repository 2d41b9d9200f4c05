// @ts-check

/** Those of them that hold something: no others are sent. */
export function defined(/** @type {Record<string, any>} */ members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== ''));
}
