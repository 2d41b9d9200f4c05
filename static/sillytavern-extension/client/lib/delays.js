// @ts-check

const EAGER_MS = 120_000;
const FIRST_MS = 1_000;
const EAGER_MAX_MS = 5_000;
const PATIENT_MAX_MS = 30_000;
const GROWTH = 1.5;

/**
 * How long to wait before the next attempt to connect: 1-5 s in the first two minutes, then up to 30 s, without end.
 * @param {number} attempt from 0
 * @param {number} downMs since when the line is down
 * @param {number} random 0 to 1: not all come at once
 */
export function delayBefore(attempt, downMs, random) {
  const most = downMs < EAGER_MS ? EAGER_MAX_MS : Math.min(EAGER_MAX_MS * GROWTH ** ((downMs - EAGER_MS) / 20_000 + 1), PATIENT_MAX_MS);
  const grown = Math.min(FIRST_MS * GROWTH ** Math.min(attempt, 20), most);
  return Math.max(FIRST_MS, Math.round(grown * (0.6 + 0.4 * random)));
}
