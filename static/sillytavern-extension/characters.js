// @ts-check
// Which characters the hub's people may see, and choose: the offered ones only.

import { sha256 } from './sha256.js';
import { Refusal } from './refusal.js';

const LISTED = 500;
const LIST_BYTES = 131_072;
const IDLE_MS = 60_000;
const ENCODER = new TextEncoder();

export class Characters {
  #host;
  #settings;
  /** @type {Map<string, string>} hash of a picture that was asked for, by id */
  #hashes = new Map();

  /** @param {{host: any, settings: any}} given `settings.offered` is a list of ids, or null for all */
  constructor({ host, settings }) {
    this.#host = host;
    this.#settings = settings;
  }

  offers(/** @type {string} */ id) {
    const { offered } = this.#settings;
    return !Array.isArray(offered) || offered.includes(id);
  }

  /** LIST_CHARACTERS */
  list(/** @type {string} */ extension, /** @type {string} */ current) {
    const offered = this.#host.characters().filter((/** @type {any} */ one) => this.offers(one.id));
    /** @type {any[]} */
    const characters = [];
    let bytes = 0;
    for (const { id, name, tags } of offered.slice(0, LISTED)) {
      const avatar = this.#hashes.get(id);
      const body = { id, name, ...(avatar ? { avatar } : {}), tags: tags.slice(0, 32) };
      bytes += ENCODER.encode(JSON.stringify(body)).length + 1;
      if (bytes > LIST_BYTES - 1_024) break;
      characters.push(body);
    }
    return { extension, ...(current && this.offers(current) ? { current } : {}), characters, truncated: characters.length < offered.length };
  }

  /** GET_AVATAR */
  async picture(/** @type {string} */ id) {
    const picture = this.offers(id) ? await this.#host.picture(id) : null;
    if (!picture) throw new Refusal('Character not found.', 7);
    const hash = await sha256(picture.data);
    this.#hashes.set(id, hash);
    return { type: picture.type, hash, data: picture.data };
  }

  /**
   * SELECT_CHARACTER: the linked room goes on with another character, in the chat that it had open last.
   * @returns {Promise<{link: import('./desk.js').Link, character: {id: string, name: string}}>}
   */
  async select(/** @type {string} */ id, /** @type {import('./desk.js').Link | null} */ link, /** @type {boolean} */ busy) {
    if (!link || !this.#settings.selectable) throw new Refusal('SillyTavern does not let this room choose its character.', 6);
    const character = this.#host.characters().find((/** @type {any} */ one) => one.id === id);
    if (!character || !this.offers(id)) throw new Refusal('Character not found.', 7);
    const at = this.#host.at();
    if (busy || at.generating || at.saving || this.#host.idleMs() < IDLE_MS) throw new Refusal('Somebody is at work in SillyTavern.', 9);
    await this.#host.open({ avatar: id });
    const now = this.#host.at();
    if (now.avatar !== id) throw new Refusal('SillyTavern could not open this character.', 9);
    return {
      link: { room: link.room, avatar: id, group: '', chatId: now.chatId, title: character.name },
      character: { id, name: character.name },
    };
  }
}
