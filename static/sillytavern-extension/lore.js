// @ts-check
// World info over the words of the request: the books that apply are made one, under a random name, where SillyTavern looks for
// the open chat's book, and SillyTavern's own scan goes over it.

import { inside } from './inside.js';
import { HOLD } from './outsiders.js';
import { PERSONA_AT_DEPTH, substitute } from './scene.js';

/** @typedef {import('./tavern.js').Tavern} Tavern */
/** @typedef {import('./scene.js').Scene} Scene */
/**
 * @typedef {object} Lore
 * @property {string} before
 * @property {string} after
 * @property {{before: boolean, text: string}[]} examples
 * @property {{depth: number, role: number, text: string}[]} pieces
 * @property {Record<string, any>} outlets prompts by which presets read outlets
 */

const NOTE_TOP = 2; // positions of entries
const NOTE_BOTTOM = 3;
const AT_DEPTH = 4;
const CHARACTER_FIRST = 1; // world_info_character_strategy
// Macros that do something, or that must not be read before the scan is over.
const ACTIVE = /\{\{\s*((set|add|inc|dec)(global)?var|random|roll|pick|outlet|if|[.$!])/i;

/**
 * @param {Tavern} tavern @param {Scene} scene
 * @param {number} limit tokens of the whole prompt
 * @returns {Promise<Lore>}
 */
export async function loreOf(tavern, scene, limit) {
  const { world } = tavern;
  const entries = await entriesOf(tavern, scene);
  inside(tavern, scene.stage, () => {
    for (const entry of entries) {
      entry.key = (entry.key ?? []).map((/** @type {string} */ key) => substitute(tavern, scene, key));
      entry.keysecondary = (entry.keysecondary ?? []).map((/** @type {string} */ key) => substitute(tavern, scene, key));
      entry.content = held(tavern, scene, String(entry.content ?? ''));
    }
  });
  const book = `newage ${crypto.randomUUID()}`;
  const texts = scene.history.map(({ name, text }) => (world.world_info_include_names ? `${name}: ${text}` : text)).reverse();
  const { card } = scene;
  const scan = {
    personaDescription: card.persona,
    characterDescription: card.description,
    characterPersonality: card.personality,
    characterDepthPrompt: card.depth,
    scenario: card.scenario,
    creatorNotes: card.notes,
    trigger: 'normal',
  };
  world.worldInfoCache.set(book, { entries: Object.fromEntries(entries.map((entry) => [entry.uid, entry])) });
  try {
    const stage = { ...scene.stage, meta: { [world.METADATA_KEY]: book, timedWorldInfo: {} }, loreless: true };
    // Started inside: it reads all it needs of the desk before its first await.
    const found = await inside(tavern, stage, () => tavern.context().getWorldInfoPrompt(texts, limit, true, scan));
    return inside(tavern, scene.stage, () => opened(tavern, scene, found));
  } finally {
    world.worldInfoCache.delete(book);
  }
}

/** The entries of all books that apply, copied, in the order of books. @param {Tavern} tavern @param {Scene} scene @returns {Promise<any[]>} */
async function entriesOf(tavern, scene) {
  const context = tavern.context();
  const power = context.powerUserSettings;
  const note = tavern.settings.note;
  const file = scene.character?.avatar?.replace(/\.[^/.]+$/, '');
  const tags = context.tagMap?.[scene.character?.avatar] ?? [];
  const found = [];
  for (const name of booksOf(tavern, scene, file)) {
    for (const entry of Object.values((await context.loadWorldInfo(name))?.entries ?? {})) {
      if (entry.disable || !fits(entry.characterFilter, file, tags)) continue;
      const copy = {
        ...entry,
        uid: found.length,
        characterFilter: undefined,
        matchCharacterDepthPrompt: entry.matchCharacterDepthPrompt || Boolean(note?.allowWIScan),
        matchPersonaDescription: entry.matchPersonaDescription || power.persona_description_position === PERSONA_AT_DEPTH,
        sticky: 0,
        cooldown: 0,
      };
      // There is no author's note that these could stand beside.
      if (entry.position === NOTE_TOP || entry.position === NOTE_BOTTOM) Object.assign(copy, { position: AT_DEPTH, depth: note?.defaultDepth ?? 4, role: note?.defaultRole ?? 0 });
      found.push(copy);
    }
  }
  return found;
}

/** @param {Tavern} tavern @param {Scene} scene @param {string | undefined} file @returns {string[]} names, each once */
function booksOf(tavern, scene, file) {
  const { world } = tavern;
  const chosen = world.selected_world_info;
  const extra = world.world_info.charLore?.find((/** @type {any} */ one) => one.name === file)?.extraBooks ?? [];
  const own = [scene.character?.data?.extensions?.world, ...extra];
  const persona = scene.persona ? tavern.context().powerUserSettings.persona_description_lorebook : '';
  const ordered = Number(world.world_info_character_strategy) === CHARACTER_FIRST ? [...own, ...chosen] : [...chosen, ...own];
  return [...new Set([persona, ...ordered])].filter(Boolean);
}

/** Whether an entry is for this character. @param {any} filter @param {string | undefined} file @param {string[]} tags */
function fits(filter, file, tags) {
  if (filter?.names?.length && filter.names.includes(file) === Boolean(filter.isExclude)) return false;
  return !(filter?.tags?.length && tags.some((tag) => filter.tags.includes(tag)) === Boolean(filter.isExclude));
}

/** An entry's content for the scan, in which SillyTavern would substitute outside: names are filled in, macros wait. @param {Tavern} tavern @param {Scene} scene @param {string} content */
function held(tavern, scene, content) {
  const text = ACTIVE.test(content) ? content : substitute(tavern, scene, content);
  return text
    .replace(/\{\{char\}\}|<(?:bot|char)>/gi, () => scene.name)
    .replace(/\{\{user\}\}|<user>/gi, () => scene.user)
    .replace(/\{(?=\{)/g, `{${HOLD}`);
}

/** What the scan found, its macros substituted. @param {Tavern} tavern @param {Scene} scene @param {any} found @returns {Lore} */
function opened(tavern, scene, found) {
  const open = (/** @type {unknown} */ text) => substitute(tavern, scene, String(text ?? '').replaceAll(HOLD, ''));
  const outlets = Object.entries(found.outletEntries ?? {}).map(([name, parts]) => [
    `customWIOutlet_${name}`,
    { value: open(/** @type {string[]} */ (parts).join('\n')), position: -1, depth: 0, scan: false, role: 0 },
  ]);
  return {
    before: open(found.worldInfoBefore),
    after: open(found.worldInfoAfter),
    examples: found.worldInfoExamples.map((/** @type {any} */ one) => ({ before: one.position === 0, text: open(one.content) })),
    pieces: found.worldInfoDepth.map((/** @type {any} */ one) => ({ depth: one.depth, role: one.role, text: open(one.entries.join('\n')) })),
    outlets: Object.fromEntries(outlets),
  };
}
