const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function reverseBits(byte: number): number {
  let out = 0;
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) out |= 0x80 >> bit;
  return out;
}

/**
 * The UID of an object derived from another: the bits of every byte of the UUID reversed, but for bytes 6 and 8, which
 * hold version and variant (RFC 9562 §4). Applied twice it gives the first UID again. Text that is no UUID stays as it is.
 */
export function convertUid(uid: string): string {
  if (!UUID.test(uid)) return uid;
  const digits = uid.replaceAll('-', '');
  let out = '';
  for (let index = 0; index < 16; index++) {
    const byte = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
    out += (index === 6 || index === 8 ? byte : reverseBits(byte)).toString(16).padStart(2, '0');
    if (index === 3 || index === 5 || index === 7 || index === 9) out += '-';
  }
  return out;
}
