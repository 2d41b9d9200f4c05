// What is said beside a message: how it stands with a question, and how an answer ended.

const STATES = {
  sending: 'Sending…',
  queued: 'Waiting until the room’s master sends',
  turn: 'Waiting for its turn',
  extension: 'Waiting for SillyTavern to come back',
  merged: 'Sent together with others',
  ignored: 'Kept, but only the room’s master asks here',
  recorded: 'Kept',
  expired: 'Nobody answered in time',
  failed: 'Not answered',
  cancelled: 'Stopped',
};
const REPEATABLE = new Set(['failed', 'expired', 'cancelled']);
const FAILED = new Set(['failed', 'expired']);

/** `answered`: whether words of its answer are here. */
export function noteOf(entry, answered) {
  if (entry.stopping) return 'Stopping…';
  return entry.kind === 'answer' ? ofAnswer(entry) : ofQuestion(entry, answered);
}

/** Whether a question can be asked again: one of which there is a part of an answer has failed, or is left at that. */
export const isRepeatable = (entry, answered) =>
  entry.kind === 'mine' && REPEATABLE.has(entry.state) && !(answered && entry.state === 'cancelled');

export const isFailed = (entry) => entry.failed || FAILED.has(entry.state);

function ofAnswer({ text, streaming, cut, failed, stopped, lost }) {
  if (streaming) return cut ? 'The line is cut; this goes on when it is back' : '';
  if (failed) return lost ? 'Broken off, and not kept by the hub' : 'Broken off';
  if (stopped) return text ? 'Stopped' : ''; // without a word of it the question says so
  return lost ? 'Not kept by the hub' : '';
}

function ofQuestion({ state, note, place, detour }, answered) {
  if (FAILED.has(state)) return note || STATES[state];
  if (state === 'cancelled') return answered ? '' : STATES.cancelled;
  if (state === 'turn' && note) return `${STATES.turn}${placeOf(place)}: ${note}`;
  if (state === 'queued' || state === 'turn' || state === 'extension') return `${STATES[state]}${placeOf(place)}`;
  if (answered || STATES[state] !== undefined) return STATES[state] ?? '';
  if (state === 'accepted' && place) return `In SillyTavern’s own queue${placeOf(place)}`;
  if (detour && (state === 'rerouted' || state === 'forwarded' || state === 'accepted')) {
    return `${detour.from} could not begin; ${detour.to} is asked now`;
  }
  return '';
}

function placeOf(place) {
  if (!place) return '';
  return place.of > 1 ? ` (${place.position} of ${place.of})` : ` (place ${place.position})`;
}
