// One entry of a conversation, whose it is, and where it belongs among the others.

const NAME_CHARS = 64;
const TRICKS = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu; // what turns the order of what stands beside a name
const WAITS = new Set(['turn', 'extension']); // for what, other than the room's master
const IN_HAND = new Set(['forwarded', 'accepted', 'rerouted', 'processing']);
const OPEN = new Set([...IN_HAND, 'sending', 'queued', ...WAITS]);

/**
 * `kind` is 'mine', 'theirs', 'answer' or 'system'. `state` belongs to questions: 'sending', then what
 * REQUEST_STATUS_UPDATE says ('turn' or 'extension' where they are queued for that), or 'failed'. `streaming`, `cut` (the
 * line is, meanwhile), `failed`, `stopped` and `lost` (it was not stored) belong to answers.
 */
export function entryOf(kind, fields) {
  return {
    kind,
    author: '',
    name: '', // what the author wants to be called; never shown without the author
    text: '',
    timestamp: '',
    seq: null,
    messageId: null,
    earlierIds: [], // message ids of the same question before it was asked again
    requestId: null,
    asked: null, // request id that it was asked by first: its answers have it, too
    answers: '', // message id of what it answers, where that was told
    question: null, // of an answer: the entry it answers, if that is here
    after: null, // of what the hub has not stored: the seq of what was last when it came
    number: 0, // in the order of arrival
    fresh: false, // it came since the line is up: a history that was read before it says nothing of it
    outputId: null,
    output: null, // of an answer that this page has seen growing
    kept: null, // its text as it is stored
    told: null, // its text when it was said to be finished
    reasoning: '',
    state: '',
    note: '',
    place: null, // {position, of} of a question that waits
    detour: null, // {from, to} of a question that went to another extension
    stopping: false, // the hub is being told
    streaming: false,
    cut: false,
    failed: false,
    stopped: false,
    lost: false,
    ...fields,
  };
}

export const plain = (value) => (typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value));

export const nameOf = (who) => (typeof who?.name === 'string' ? who.name.slice(0, NAME_CHARS).replace(TRICKS, '').trim() : '');

/** Names are anybody's to choose, and two may look alike: whose it is stands beside it (A40). */
export const authorOf = ({ author, name }) => (name && name !== author ? `${name} (${author})` : author);

export const isAsked = ({ kind }) => kind === 'mine' || kind === 'theirs';

/** Whether more is to be heard of a question. */
export const isOpen = ({ state }) => OPEN.has(state);

/** Whether an extension has a question. */
export const isInHand = ({ state }) => IN_HAND.has(state);

/** The state of what is queued. */
export const waitingFor = (waitsFor) => (WAITS.has(waitsFor) ? waitsFor : 'queued');

export function answersTo(answer, question) {
  if (answer.answers && [question.messageId, ...question.earlierIds].includes(answer.answers)) return true;
  return answer.requestId !== null && [question.asked, question.requestId].includes(answer.requestId);
}

/** Whether one stands before the other: an answer below its question, the rest in the hub's order, what it has not stored last. */
export function precedes(one, other) {
  const [mine, theirs] = [rank(one), rank(other)];
  for (let at = 0; at < mine.length; at += 1) {
    if (at >= theirs.length) return false;
    if (mine[at] !== theirs[at]) return mine[at] < theirs[at];
  }
  return mine.length < theirs.length;
}

/** What decides the place of an entry; compared from the left. */
function rank(entry) {
  const { question } = entry;
  if (question !== null) return [...rank(question), entry.seq ?? Infinity, entry.number];
  if (entry.seq !== null) return [entry.seq, 0];
  return [entry.after === null ? Infinity : entry.after + 0.5, entry.number];
}
