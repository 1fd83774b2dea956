/**
 * Addresses as strings of bits: the plainest form in which "is in this block" can be read off the page. An IPv4 address
 * is 32 characters of '0' and '1', an IPv6 address 128, and a block is the beginning that its addresses share.
 */
export interface Address {
  readonly family: 4 | 6;
  readonly bits: string;
}

/** The bits of an address in text. Throws on anything that is not an address. */
export function readAddress(text: string): Address {
  const known = addresses.get(text) ?? readAnew(text);
  addresses.set(text, known);
  return known;
}

/** Addresses already read, by their text. */
const addresses = new Map<string, Address>();

function readAnew(text: string): Address {
  if (text.includes(':')) return { family: 6, bits: sixteenBitWords(text).join('') };
  return { family: 4, bits: fourBytes(text) };
}

/** True when the block (`10.0.0.0/8`; a bare address is a block of one) holds the address. Families never mix. */
export function blockHolds(block: string, address: Address): boolean {
  const [base = '', length] = block.split('/');
  const start = readAddress(base);
  const kept = length === undefined ? start.bits.length : Number(length);
  return start.family === address.family && address.bits.startsWith(start.bits.slice(0, kept));
}

/** 4 or 6, by the writing of an address or block. */
export function familyOf(block: string): 4 | 6 {
  return block.includes(':') ? 6 : 4;
}

function fourBytes(text: string): string {
  const parts = text.split('.');
  const good = parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!good) throw new Error(`Cannot read address: text is "${text}"; allowed: four numbers from 0 to 255`);
  return parts.map(part => Number(part).toString(2).padStart(8, '0')).join('');
}

function sixteenBitWords(text: string): string[] {
  const bad = () =>
    new Error(`Cannot read address: text is "${text}"; allowed: eight words of up to four hexadecimal digits`);
  const words = (part: string): string[] =>
    part
      .split(':')
      .filter(word => word !== '')
      .flatMap(word => {
        if (word.includes('.')) return [fourBytes(word).slice(0, 16), fourBytes(word).slice(16)];
        if (!/^[0-9a-fA-F]{1,4}$/.test(word)) throw bad();
        return [Number.parseInt(word, 16).toString(2).padStart(16, '0')];
      });
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) throw bad();
  const before = words(head);
  const after = words(tail ?? '');
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) throw bad();
  return [...before, ...Array<string>(missing).fill('0'.repeat(16)), ...after];
}
