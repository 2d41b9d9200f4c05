// Who this browser is to the hub: a stable client id, and a key if the hub asks for one.

const ID = 'newage.clientId';
const KEY = 'newage.key';

/** A random version 4 UUID, also where `crypto.randomUUID` is missing (plain http on another machine's address). */
export function uuid(source = globalThis.crypto) {
  if (typeof source.randomUUID === 'function') return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The id and key kept in `storage`. A storage that is missing, full or forbidden costs only the memory of it: the page
 * then gets a new id each time.
 */
export class Identity {
  #storage;

  constructor(storage) {
    this.#storage = storage;
    const known = this.#read(ID);
    this.clientId = /^web-[0-9a-f-]{36}$/.test(known ?? '') ? known : `web-${uuid()}`;
    if (this.clientId !== known) this.#write(ID, this.clientId);
    this.key = this.#read(KEY) ?? undefined;
  }

  keepKey(key) {
    this.key = key || undefined;
    this.#write(KEY, key || null);
  }

  #read(name) {
    try {
      return this.#storage?.getItem(name) ?? null;
    } catch {
      return null;
    }
  }

  #write(name, value) {
    try {
      if (value === null) this.#storage?.removeItem(name);
      else this.#storage?.setItem(name, value);
    } catch {
      // forbidden or full: see above
    }
  }
}
