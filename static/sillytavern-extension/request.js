// @ts-check
// What the hub asks, read once: named members only (contract 16.1, B18). Nothing of a request is spread anywhere.

const ACTIONS = new Map([
  ['newMessage', 'new'],
  ['regenerateMessage', 'again'],
  ['regenerate', 'again'],
  ['swipe', 'again'],
  ['continue', 'continue'],
  ['impersonate', 'impersonate'],
]);

/**
 * @typedef {object} Ask
 * @property {string} requestId
 * @property {'new'|'again'|'continue'|'impersonate'|'think'} action
 * @property {string} word the client's own word for it
 * @property {string} questionId the question's messageId in its room, '' of none
 * @property {string} room
 * @property {string} text
 * @property {string} speaker as whom it is said
 * @property {string} clientId who asked
 * @property {string} outputId of the answer that is acted on, '' of none
 * @property {ReadonlyMap<string, string>} chosen which answer to a question counts in the room: outputId by questionId
 * @property {string} character an id as LIST_CHARACTERS gave it, '' of none
 */

/**
 * @param {any} said LLM_REQUEST as it came
 * @returns {Readonly<Ask>}
 */
export function parseAsk(said) {
  const stored = said.currentRequest ?? {};
  const word = text(said.action) || text(said.requestType) || 'newMessage';
  const action = said.type === 'THINK_REQUEST' ? 'think' : (ACTIONS.get(word) ?? 'new');
  /** @type {any[]} */
  const answers = (Array.isArray(said.context) ? said.context : []).filter((/** @type {any} */ one) => one?.isResponse && text(one.outputId));
  const acted = text(said.messageId);
  return Object.freeze({
    requestId: text(said.requestId),
    action: /** @type {Ask['action']} */ (action),
    word,
    questionId: text(stored.messageId) || text(said.questionId),
    room: text(said.roomName) || text(said.targetRoom),
    text: text(said.message),
    speaker: text(stored.name) || text(said.name) || text(said.requestingIdentity) || text(said.identity),
    clientId: text(said.clientId),
    outputId: text(answers.find((one) => acted && (one.messageId === acted || one.responseId === acted))?.outputId),
    chosen: new Map(answers.filter((one) => one.selected !== false).map((one) => [text(one.questionId), one.outputId])),
    character: typeof said.character === 'string' ? said.character : text(said.character?.id),
  });
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
