// @ts-check
// A prompt for text completion: the story string, the instruct template of the host, and the request's words in the place of
// the chat, newest first as far as the context holds them.

import { inside } from './inside.js';
import { loreOf } from './lore.js';
import { PERSONA_IN_PROMPT, ROLES, examplesOf, piecesOf, sorted, substitute } from './scene.js';

/** @typedef {import('./tavern.js').Tavern} Tavern */
/** @typedef {import('./scene.js').Scene} Scene */
/** @typedef {import('./lore.js').Lore} Lore */
/** @typedef {{name?: string, user: boolean, narrator?: boolean, text: string, piece?: boolean}} Turn */
/** @typedef {{text: string, user: boolean, piece: boolean}} Row */
/** @typedef {{story: string, examples: string[], rows: Row[], alignment: string, start: string, tail: string}} Plan rows newest first */

const FIRST = 1; // which of the instruct template's sequences
const LAST = 2;
const STORY_AT_DEPTH = 1;

/** @param {Tavern} tavern @param {Scene} scene @returns {Promise<string>} */
export async function textPrompt(tavern, scene) {
  const power = tavern.context().powerUserSettings;
  const limit = (tavern.script.getMaxPromptTokens ?? tavern.script.getMaxContextSize)();
  const lore = await loreOf(tavern, scene, limit);
  const grown = scene.task === 'continue' ? (scene.history.at(-1)?.text ?? '') : '';
  const plan = inside(tavern, { ...scene.stage, prompts: lore.outlets }, () => planOf(tavern, scene, lore));
  const count = (/** @type {string} */ text) => tavern.tokenizers.getTokenCountAsync(text.replace(/\r/g, ''));
  const padded = (/** @type {string[]} */ ...parts) => tavern.tokenizers.getTokenCountAsync(parts.join(''), power.token_padding);

  const pinned = power.pin_examples ? plan.examples.join('') : '';
  const rows = await fitting(plan, await padded(plan.story, pinned, plan.alignment, plan.start, plan.tail, grown), limit, count);
  let examples = pinned;
  if (!power.pin_examples) {
    let used = await padded(plan.story, plan.alignment, plan.start, rows.join(''), plan.tail, grown);
    for (const example of plan.examples) {
      used += await count(example);
      if (used >= limit) break;
      examples += example;
    }
  }
  const prompt = [plan.story, examples, plan.start, ended(rows, plan.tail, power.instruct).join('')].join('').replace(/\r/g, '');
  return (power.collapse_newlines ? prompt.replace(/\n{2,}/g, '\n') : prompt) + grown;
}

/** What preset, card and template say, macros substituted; only inside. @param {Tavern} tavern @param {Scene} scene @param {Lore} lore @returns {Plan} */
function planOf(tavern, scene, lore) {
  const power = tavern.context().powerUserSettings;
  const { instruct } = tavern;
  const { card, name, user } = scene;
  const on = power.instruct.enabled;
  const filled = (/** @type {unknown} */ text, /** @type {string} */ original = /** @type {any} */ (undefined)) => substitute(tavern, scene, text, original);
  const own = (/** @type {boolean} */ preferred, /** @type {string} */ cards, /** @type {string} */ presets) => {
    if (!power.sysprompt.enabled) return '';
    return preferred && cards ? filled(cards, presets ?? '') : filled(presets);
  };
  let system = own(power.prefer_character_prompt, card.system, power.sysprompt.content);
  if (on && !instruct.formatInstructModeStoryString && instruct.formatInstructModeSystemPrompt) system = instruct.formatInstructModeSystemPrompt(system);
  const plain = examplesOf(tavern, scene, lore, on);
  const examples = on ? instruct.formatInstructModeExamples(plain, user, name) : plain;
  let story = tavern.power.renderStoryString({
    description: card.description,
    personality: card.personality,
    persona: power.persona_description_position === PERSONA_IN_PROMPT ? card.persona : '',
    scenario: card.scenario,
    system,
    char: name,
    user,
    wiBefore: lore.before,
    wiAfter: lore.after,
    loreBefore: lore.before,
    loreAfter: lore.after,
    anchorBefore: '',
    anchorAfter: '',
    mesExamples: examples.join(''),
    mesExamplesRaw: plain.join(''),
  });
  const pieces = piecesOf(tavern, scene, lore);
  if (instruct.formatInstructModeStoryString) {
    if (on) story = instruct.formatInstructModeStoryString(story);
    if (power.context.story_string_position === STORY_AT_DEPTH) {
      pieces.push({ key: '__STORY_STRING__', depth: power.context.story_string_depth ?? 1, role: power.context.story_string_role ?? 0, text: story });
      sorted(pieces);
      story = '';
    }
  }
  /** @type {Turn[]} */
  const said = scene.history.map(({ name: speaker, role, text }) => ({ name: speaker, user: role === 'user', narrator: role === 'system', text }));
  if (scene.task === 'continue') said.pop(); // stands at the very end
  const turns = withPieces(said.reverse(), pieces, user, name);
  const afterHistory = own(power.prefer_character_jailbreak, card.afterHistory, power.sysprompt.post_history);
  if (afterHistory) turns.unshift({ user: true, text: afterHistory });

  const line = (/** @type {Turn} */ turn, /** @type {number} */ sequence = /** @type {any} */ (undefined)) => lineOf(tavern, scene, turn, sequence);
  const question = turns.find((turn) => turn.user);
  const rows = turns.map((turn, at) => ({
    piece: turn.piece === true,
    user: turn.user,
    text: on && turn === question ? line(turn, LAST) : on && at === turns.length - 1 ? line(turn, FIRST) : line(turn),
  }));
  const alignment = on && power.instruct.user_alignment_message;
  return {
    story,
    examples: power.strip_examples ? [] : examples,
    rows,
    alignment: alignment ? line({ name: user, user: true, text: filled(alignment) }, FIRST) : '',
    start: power.context.chat_start ? filled(`${power.context.chat_start}\n`) : '',
    tail: tailOf(tavern, scene),
  };
}

/** What the model goes on from. @param {Tavern} tavern @param {Scene} scene */
function tailOf(tavern, { name, user, task }) {
  const power = tavern.context().powerUserSettings;
  const speaks = task === 'impersonate' ? user : name;
  if (power.instruct.enabled) return tavern.instruct.formatInstructModePrompt(speaks, task === 'impersonate', '', user, name, false, false);
  return task === 'impersonate' || power.always_force_name2 || power.context.always_force_name2 ? `${speaks}:` : '';
}

/** @param {Tavern} tavern @param {Scene} scene @param {Turn} turn @param {number} [sequence] */
function lineOf(tavern, scene, turn, sequence) {
  const power = tavern.context().powerUserSettings;
  const narrator = turn.narrator === true;
  if (power.instruct.enabled) {
    const speaker = turn.name || (turn.user ? turn.name : scene.name);
    return tavern.instruct.formatInstructModeChat(speaker, turn.text, turn.user, narrator, '', scene.user, scene.name, sequence);
  }
  return turn.name && !narrator ? `${turn.name}: ${turn.text}\n` : `${turn.text}\n`;
}

/** @param {Turn[]} turns newest first @param {import('./scene.js').Piece[]} pieces @param {string} user @param {string} name @returns {Turn[]} */
function withPieces(turns, pieces, user, name) {
  const found = [...turns];
  let added = 0;
  for (const depth of [...new Set(pieces.map((piece) => piece.depth))].sort((one, other) => one - other)) {
    /** @type {Turn[]} */
    const put = [];
    for (const role of ROLES.keys()) {
      const text = pieces.filter((piece) => piece.depth === depth && piece.role === role).map((piece) => piece.text.trim()).join('\n');
      if (text) put.push({ name: ['', user, name][role], user: role === 1, narrator: role === 0, text, piece: true });
    }
    found.splice(Math.min(depth + added, found.length), 0, ...put);
    added += put.length;
  }
  return found;
}

/**
 * The lines that there is room for, oldest first: what stands between messages first of all, then the newest.
 * @param {Plan} plan @param {number} used tokens @param {number} limit @param {(text: string) => Promise<number>} count
 */
async function fitting({ rows, alignment }, used, limit, count) {
  const taken = new Set();
  let spent = used;
  for (const row of rows.filter(({ piece }) => piece)) {
    spent += await count(row.text);
    if (spent >= limit) break;
    taken.add(row);
  }
  let oldest = null;
  for (const row of rows) {
    if (!taken.has(row)) {
      spent += await count(row.text);
      if (spent >= limit) break;
      taken.add(row);
    }
    oldest = row;
  }
  const found = rows.filter((row) => taken.has(row)).reverse().map(({ text }) => text);
  if (alignment && !oldest?.user) found.unshift(alignment);
  return found;
}

/** The lines with what the model goes on from at the end. @param {string[]} rows @param {string} tail @param {any} instruct @returns {string[]} */
function ended(rows, tail, instruct) {
  const last = rows.at(-1);
  if (last === undefined) return [tail];
  let text = !instruct.enabled || instruct.wrap ? last.replace(/\n?$/, '') : last;
  if (!instruct.enabled && tail && !text.endsWith('\n')) text += '\n';
  return [...rows.slice(0, -1), text + tail];
}
