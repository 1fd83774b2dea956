/**
 * Reads dotted-quad IPv4 text between two offsets: four decimal octets without leading zeros (RFC 6943 §3.1.1, the
 * strict form). Gives the 32-bit number, or -1 when the text is anything else.
 */
export function parseIpv4(text: string, start = 0, end: number = text.length): number {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let octets = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) {
      if (digits > 0 && octet === 0) return -1;
      octet = octet * 10 + code - 48;
      digits++;
      if (octet > 255) return -1;
    } else if (code === 46) {
      if (digits === 0 || octets === 3) return -1;
      value = value * 256 + octet;
      octets++;
      octet = 0;
      digits = 0;
    } else {
      return -1;
    }
  }
  if (digits === 0 || octets !== 3) return -1;
  return value * 256 + octet;
}

/** Prints a 32-bit number as dotted-quad text. */
export function printIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}
