// @ts-check
// One visit to SillyTavern's own functions with our words in the place of the open chat: swap, call, put back, all in one turn
// of the event loop. Nobody sees the swapped state as long as the function does not await before it has read what it needs.

/** @typedef {import('./tavern.js').Tavern} Tavern */
/**
 * @typedef {object} Stage what SillyTavern is to see
 * @property {any[]} chat messages in SillyTavern's form
 * @property {Record<string, any>} meta the chat's metadata; afterwards what macros made of it
 * @property {Record<string, any>} [prompts] prompts of extensions
 * @property {number | undefined} characterId
 * @property {string} character name
 * @property {boolean} [loreless] no books but the one that `meta` names
 * @property {boolean} [persona] the desk's persona may be read
 */

/**
 * @template T
 * @param {Tavern} tavern
 * @param {Stage} stage
 * @param {() => T} visit
 * @returns {T}
 */
export function inside(tavern, stage, visit) {
  const context = tavern.context();
  const variables = (tavern.settings.variables ??= {});
  const power = context.powerUserSettings;
  const books = tavern.world.selected_world_info;
  const kept = {
    chat: [...context.chat],
    meta: { ...context.chatMetadata },
    prompts: { ...context.extensionPrompts },
    groups: [...context.groups],
    books: [...books],
    characterId: context.characterId,
    character: context.name2,
    global: variables.global,
    hadGlobal: Object.hasOwn(variables, 'global'),
    personaBook: power.persona_description_lorebook,
    persona: power.persona_description,
  };
  // A macro of a preset may schedule a save of the desk's chat file, or take back one that is due.
  const { setTimeout, clearTimeout } = globalThis;
  try {
    globalThis.setTimeout = /** @type {any} */ (() => 0);
    globalThis.clearTimeout = () => {};
    fill(context.chat, stage.chat);
    refill(context.chatMetadata, stage.meta);
    refill(context.extensionPrompts, stage.prompts ?? {});
    fill(context.groups, []);
    tavern.script.setCharacterId(stage.loreless ? undefined : stage.characterId);
    tavern.script.setCharacterName(stage.character);
    variables.global = structuredClone(kept.global ?? {});
    if (!stage.persona) power.persona_description = '';
    if (stage.loreless) {
      fill(books, []);
      power.persona_description_lorebook = '';
    }
    return visit();
  } finally {
    globalThis.setTimeout = setTimeout;
    globalThis.clearTimeout = clearTimeout;
    stage.meta = { ...context.chatMetadata };
    fill(context.chat, kept.chat);
    refill(context.chatMetadata, kept.meta);
    refill(context.extensionPrompts, kept.prompts);
    fill(context.groups, kept.groups);
    tavern.script.setCharacterId(kept.characterId);
    tavern.script.setCharacterName(kept.character);
    if (kept.hadGlobal) variables.global = kept.global;
    else delete variables.global;
    power.persona_description = kept.persona;
    if (stage.loreless) {
      fill(books, kept.books);
      power.persona_description_lorebook = kept.personaBook;
    }
  }
}

/** @param {any[]} list @param {readonly any[]} items */
function fill(list, items) {
  list.length = 0;
  for (const item of items) list.push(item); // a spread of a long chat would overflow the stack
}

/** @param {Record<string, any>} object @param {Record<string, any>} members */
function refill(object, members) {
  for (const name of Object.keys(object)) delete object[name];
  Object.assign(object, members);
}
