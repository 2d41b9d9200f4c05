/**
 * The first `length` characters of a random (version 4) UUID; '' when length is not positive.
 * crypto.randomUUID needs a secure context, which plain HTTP from the local network is not; getRandomValues does not.
 */
export function uuidv4(length = 36) {
    if (!(length > 0)) {
        return '';
    }
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
    return uuid.slice(0, length);
}

export default uuidv4;
