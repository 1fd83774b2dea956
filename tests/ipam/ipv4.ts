/** IPv4 as numbers, written anew here so that the judge shares no arithmetic with what it judges. */

/** The number of an address. */
export function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The address of a number. */
export function toAddress(value: number): string {
  return [24, 16, 8, 0].map(shift => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** First address, as a number, and size of a CIDR. */
export function rangeOf(cidr: string): { readonly first: number; readonly size: number } {
  const [address = '', length = '32'] = cidr.split('/');
  return { first: toNumber(address), size: 2 ** (32 - Number(length)) };
}
