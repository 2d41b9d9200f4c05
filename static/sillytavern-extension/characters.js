// @ts-check
// Which characters the hub's people may see, and choose: the offered ones only.

import { sha256 } from './sha256.js';
import { Refusal } from './refusal.js';

const LISTED = 500;
const LIST_BYTES = 131_072;
const ENCODER = new TextEncoder();

export class Characters {
  #host;
  #settings;
  #desk;
  /** @type {Map<string, string>} hash of a picture that was asked for, by id */
  #hashes = new Map();

  /** @param {{host: any, settings: any, desk: any}} given `settings.offered` is a list of ids, or null for all */
  constructor({ host, settings, desk }) {
    this.#host = host;
    this.#settings = settings;
    this.#desk = desk;
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
   * SELECT_CHARACTER: the linked room goes on with another character, in a chat of its own. What the person at the desk has
   * said to that one is no business of the room's.
   * @returns {Promise<{id: string, name: string}>}
   */
  async select(/** @type {string} */ id) {
    const host = this.#host;
    const settings = this.#settings;
    if (!settings.link || !settings.selectable) throw new Refusal('SillyTavern does not let this room choose its character.', 6);
    const found = () => host.characters().find((/** @type {any} */ one) => one.id === id && this.offers(id));
    if (!found()) throw new Refusal('Character not found.', 7);
    return this.#desk.move(async () => {
      const { link } = settings;
      const character = found();
      if (!link || !character) throw new Refusal('Character not found.', 7);
      const chats = { ...link.chats, ...(link.group ? {} : { [link.avatar]: link.chatId }) };
      const { [id]: chatId = '' } = chats;
      await host.open({ avatar: id, chatId });
      if (!chatId && host.at().avatar === id) await host.newChat();
      const at = host.at();
      if (at.avatar !== id || (chatId && at.chatId !== chatId)) throw new Refusal('SillyTavern could not open this character.', 9);
      chats[id] = at.chatId;
      settings.link = { room: link.room, avatar: id, group: '', chatId: at.chatId, title: `${character.name} · ${at.chatId}`, chats };
      return { id, name: character.name };
    });
  }
}
