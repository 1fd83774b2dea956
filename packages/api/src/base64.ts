const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Text in UTF-8, in base64 with padding (RFC 4648 §4), without any platform API. */
export function toBase64(text: string): string {
  // encodeURIComponent writes every byte of UTF-8 that is no plain letter as %XX; lone surrogates are not UTF-8.
  const escaped = encodeURIComponent(text.toWellFormed());
  const bytes = escaped.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word =
      (bytes.charCodeAt(i) << 16) |
      ((left > 1 ? bytes.charCodeAt(i + 1) : 0) << 8) |
      (left > 2 ? bytes.charCodeAt(i + 2) : 0);
    out += DIGITS.charAt(word >> 18) + DIGITS.charAt((word >> 12) & 63);
    out += left > 1 ? DIGITS.charAt((word >> 6) & 63) : '=';
    out += left > 2 ? DIGITS.charAt(word & 63) : '=';
  }
  return out;
}
