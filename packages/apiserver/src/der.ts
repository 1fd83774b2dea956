/**
 * The few ASN.1 values that a certificate is made of, encoded by DER.
 * Source: ITU-T X.690.
 */

/** One value: tag, length, content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Uint8Array.of(tag, body.length), body]);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
  return Buffer.concat([Uint8Array.of(tag, 0x80 | length.length, ...length), body]);
}

/** SEQUENCE of these values. */
export const sequence = (...items: readonly Uint8Array[]): Uint8Array => der(0x30, ...items);

/** SET of one value. */
export const setOf = (item: Uint8Array): Uint8Array => der(0x31, item);

/** INTEGER from big-endian bytes of a number that is not negative. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex(byte => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  return (digits[0] ?? 0) < 0x80 ? der(0x02, digits) : der(0x02, Uint8Array.of(0), digits);
}

/** OBJECT IDENTIFIER from dotted text. */
export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc & 0x7f];
    for (let more = arc >>> 7; more > 0; more >>>= 7) digits.unshift((more & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, Uint8Array.from(bytes));
}

/** UTF8String. */
export const utf8 = (text: string): Uint8Array => der(0x0c, Buffer.from(text));

/** OCTET STRING. */
export const octets = (bytes: Uint8Array): Uint8Array => der(0x04, bytes);

/** BIT STRING of whole bytes, or with its last `unused` bits left out. */
export const bits = (bytes: Uint8Array, unused = 0): Uint8Array => der(0x03, Uint8Array.of(unused), bytes);

/** BOOLEAN TRUE. */
export const TRUE: Uint8Array = der(0x01, Uint8Array.of(0xff));

/** UTCTime before 2050, GeneralizedTime from then on (RFC 5280, 4.1.2.5). */
export function time(ms: number): Uint8Array {
  const digits = `${new Date(ms).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return digits < '2050' ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
