// @ts-check
// Who speaks and what was said, made ready for a prompt: the character's card with its macros substituted, the words of the
// request after the host's regex scripts, and the stage on which SillyTavern's functions see both.

import { inside } from './inside.js';
import { breakMacros, scripted, scriptsOf, withoutMakers } from './outsiders.js';

/** @typedef {import('./tavern.js').Tavern} Tavern */
/** @typedef {{name: string, role: 'user'|'assistant'|'system', text: string}} Line */
/** @typedef {Record<'description'|'personality'|'scenario'|'examples'|'system'|'afterHistory'|'depth'|'notes'|'version'|'persona', string>} Card */
/** @typedef {{key: string, depth: number, role: number, text: string}} Piece text that goes between messages, `depth` from the newest; role as in ROLES */
/**
 * @typedef {object} Scene
 * @property {any} character as SillyTavern has it, undefined of none
 * @property {string} name the character's
 * @property {string} user who asks
 * @property {boolean} persona whether the host gives his persona
 * @property {Line[]} history oldest first
 * @property {Card} card
 * @property {{depth: number, role: number}} note where the card's depth prompt goes
 * @property {import('./inside.js').Stage} stage
 * @property {'answer'|'continue'|'impersonate'} task
 */

export const ROLES = /** @type {const} */ (['system', 'user', 'assistant']);
/** Where SillyTavern puts the persona: in the prompt, or between messages. */
export const PERSONA_IN_PROMPT = 0;
export const PERSONA_AT_DEPTH = 4;

/**
 * @param {Tavern} tavern
 * @param {object} given
 * @param {import('./words.js').Words} given.words
 * @param {string} given.avatar the character's id; '' for none
 * @param {boolean} given.persona
 * @returns {Promise<Scene>}
 */
export async function prepare(tavern, { words, avatar, persona }) {
  const { index, character } = await characterOf(tavern, avatar);
  const name = String(character?.name ?? 'Assistant');
  const user = persona ? String(tavern.context().name1) : words.user;
  const history = words.history.map(({ name: speaker, role, text }) => ({
    name: speaker ? (persona && speaker === words.user ? user : speaker) : role === 'user' ? user : name,
    role,
    text: text.replace(/\r/g, ''),
  }));
  const chat = history.map((line) => ({
    name: line.name,
    is_user: line.role === 'user',
    is_system: false,
    mes: breakMacros(line.text),
    send_date: Date.now(),
    extra: line.role === 'system' ? { type: 'narrator' } : {},
  }));
  const note = character?.data?.extensions?.depth_prompt;
  /** @type {Scene} */
  const scene = {
    character,
    name,
    user,
    persona,
    history,
    card: /** @type {any} */ ({}),
    note: { depth: note?.depth ?? 4, role: Math.max(0, ROLES.indexOf(note?.role ?? 'system')) },
    stage: { chat, meta: { variables: {} }, characterId: index, character: name, persona },
    task: words.task,
  };
  runScripts(tavern, scene);
  scene.card = cardOf(tavern, scene);
  return scene;
}

/** @param {Tavern} tavern @param {string} avatar */
async function characterOf(tavern, avatar) {
  if (!avatar) return { index: undefined, character: undefined };
  const find = () => tavern.context().characters.findIndex((/** @type {any} */ one) => one.avatar === avatar);
  if (find() < 0) throw new Error('No such character.');
  if (tavern.context().characters[find()].shallow) await tavern.context().unshallowCharacter(String(find()));
  const index = find();
  if (index < 0) throw new Error('No such character.');
  return { index, character: tavern.context().characters[index] };
}

/** The host's regex scripts for prompts, over each message. @param {Tavern} tavern @param {Scene} scene */
function runScripts(tavern, scene) {
  const { regex } = tavern;
  if (!regex?.getRegexedString) return;
  const { USER_INPUT, AI_OUTPUT } = regex.regex_placement;
  const run = () =>
    scene.history.forEach((line, at) => {
      const depth = scene.history.length - 1 - at;
      line.text = scripted(line.text, (text) => regex.getRegexedString(text, line.role === 'user' ? USER_INPUT : AI_OUTPUT, { isPrompt: true, depth }));
    });
  inside(tavern, scene.stage, () => withoutMakers(scriptsOf(regex, tavern.settings, scene.character), run));
}

/** The card's own fields: SillyTavern's function for it mixes in the open chat. @param {Tavern} tavern @param {Scene} scene @returns {Card} */
function cardOf(tavern, scene) {
  const { character } = scene;
  const data = character?.data ?? {};
  const power = tavern.context().powerUserSettings;
  const raw = {
    description: character?.description,
    personality: character?.personality,
    scenario: character?.scenario,
    examples: character?.mes_example,
    system: power.prefer_character_prompt ? data.system_prompt : '',
    afterHistory: power.prefer_character_jailbreak ? data.post_history_instructions : '',
    depth: data.extensions?.depth_prompt?.prompt,
    notes: data.creator_notes,
    version: data.character_version,
    persona: scene.persona ? power.persona_description : '',
  };
  return inside(tavern, scene.stage, () => {
    const fields = Object.entries(raw).map(([field, value]) => {
      const original = field === 'system' || field === 'afterHistory' ? '{{original}}' : undefined; // is filled in when it is known
      const text = String(value ?? '').trim().replace(INPUT, '');
      return [field, tavern.script.substituteParams(text, scene.user, scene.name, original, scene.name, false, { input: '' }).replace(/\r/g, '')];
    });
    return Object.fromEntries(fields);
  });
}

const INPUT = /\{\{\s*input\s*\}\}/gi; // what is half typed at the desk

/**
 * Substitute the macros of the host's own text; only inside.
 * @param {Tavern} tavern @param {Scene} scene @param {unknown} text @param {string} [original] what `{{original}}` stands for
 * @returns {string}
 */
export function substitute(tavern, scene, text, original) {
  if (!text) return '';
  const { card, user, name } = scene;
  const known = {
    input: '',
    description: card.description,
    personality: card.personality,
    scenario: card.scenario,
    persona: card.persona,
    mesExamples: card.examples,
    mesExamplesRaw: card.examples,
    charPrompt: card.system,
    charInstruction: card.afterHistory,
    charJailbreak: card.afterHistory,
    charDepthPrompt: card.depth,
    charVersion: card.version,
    char_version: card.version,
    creatorNotes: card.notes,
    notChar: user,
  };
  return tavern.script.substituteParams(String(text).replace(INPUT, ''), user, name, original, name, true, known);
}

/**
 * Examples of dialogue as SillyTavern takes them apart: the card's, with those of world info before or after.
 * @param {Tavern} tavern @param {Scene} scene @param {import('./lore.js').Lore} lore @param {boolean} instruct @returns {string[]}
 */
export function examplesOf(tavern, scene, lore, instruct) {
  let found = tavern.script.parseMesExamples(scene.card.examples, instruct);
  for (const { before, text } of lore.examples) {
    const more = tavern.script.parseMesExamples(text, instruct);
    found = before ? [...more, ...found] : [...found, ...more];
  }
  return found;
}

/** What goes between messages, in the order of SillyTavern's keys. @param {Tavern} tavern @param {Scene} scene @param {import('./lore.js').Lore} lore @returns {Piece[]} */
export function piecesOf(tavern, scene, lore) {
  const power = tavern.context().powerUserSettings;
  /** @type {Piece[]} */
  const pieces = lore.pieces.map(({ depth, role, text }) => ({ key: `customDepthWI_${depth}_${role}`, depth: depth ?? 4, role: role ?? 0, text }));
  if (scene.card.depth) pieces.push({ key: 'DEPTH_PROMPT', ...scene.note, text: scene.card.depth });
  if (scene.card.persona && power.persona_description_position === PERSONA_AT_DEPTH) {
    pieces.push({ key: 'PERSONA_DESCRIPTION', depth: power.persona_description_depth, role: power.persona_description_role ?? 0, text: scene.card.persona });
  }
  return sorted(pieces);
}

/** @param {Piece[]} pieces */
export const sorted = (pieces) => pieces.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
