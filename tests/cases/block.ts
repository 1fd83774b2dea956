import { familyOf, readAddress } from '../oracle/address.ts';

/** The block of this length that holds the address, host bits zero: `blockAround('10.0.0.77', 26)` is 10.0.0.64/26. */
export function blockAround(address: string, length: number): string {
  const { bits } = readAddress(address);
  const base = bits.slice(0, length).padEnd(bits.length, '0');
  return `${writeAddress(base, familyOf(address))}/${length}`;
}

/** The address so many places after the block's first. */
export function addressIn(block: string, place: number): string {
  const [base = ''] = block.split('/');
  const { bits, family } = readAddress(base);
  const sum = BigInt(`0b${bits}`) + BigInt(place);
  return writeAddress(sum.toString(2).padStart(bits.length, '0'), family);
}

/** The length of a block. */
export function lengthOf(block: string): number {
  return Number(block.split('/')[1]);
}

function writeAddress(bits: string, family: 4 | 6): string {
  const size = family === 4 ? 8 : 16;
  const parts = bits.match(new RegExp(`.{${size}}`, 'g')) ?? [];
  return family === 4
    ? parts.map(part => Number.parseInt(part, 2)).join('.')
    : new URL(`http://[${parts.map(part => Number.parseInt(part, 2).toString(16)).join(':')}]`).hostname.slice(1, -1);
}
