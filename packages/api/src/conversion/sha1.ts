/** Writes `text` in UTF-8, without any platform API; gives the number of bytes. There is room for three per UTF-16 unit. */
function writeUtf8(text: string, bytes: Uint8Array): number {
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      bytes[at++] = unit;
      continue;
    }
    const code = text.codePointAt(i) ?? unit;
    if (code < 0x800) bytes[at++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) bytes[at++] = 0xe0 | (code >> 12);
      else {
        bytes[at++] = 0xf0 | (code >> 18);
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
        i++;
      }
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (code & 0x3f);
  }
  return at;
}

/** The message, one bit, zeros, and the message's length in bits as 64-bit number: whole blocks (FIPS 180-4 §5.1.1). */
function padded(text: string): DataView {
  const room = new Uint8Array(text.length * 3 + 72);
  const length = writeUtf8(text, room);
  const blocks = Math.ceil((length + 9) / 64);
  room[length] = 0x80;
  const view = new DataView(room.buffer, 0, blocks * 64);
  view.setUint32(blocks * 64 - 8, Math.floor(length / 2 ** 29));
  view.setUint32(blocks * 64 - 4, length << 3);
  return view;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The schedule of the present block. */
const words = new Int32Array(80);

/**
 * SHA-1 of the UTF-8 text as 40 lower-case hexadecimal digits (FIPS 180-4 §6.1). A node names the interface of every pod of the
 * cluster at its start, so it is written to be quick when it has just begun to run: plain loops, one for each kind of round.
 * It names interfaces here; it is no protection against anybody.
 */
export function sha1Hex(text: string): string {
  const view = padded(text);
  let h0 = 0x67452301;
  let h1 = 0xefcdab89 | 0;
  let h2 = 0x98badcfe | 0;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0 | 0;
  for (let block = 0; block < view.byteLength; block += 64) {
    for (let t = 0; t < 16; t++) words[t] = view.getInt32(block + t * 4);
    for (let t = 16; t < 80; t++) {
      words[t] = rotateLeft((words[t - 3] ?? 0) ^ (words[t - 8] ?? 0) ^ (words[t - 14] ?? 0) ^ (words[t - 16] ?? 0), 1);
    }
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    let next: number;
    for (let t = 0; t < 20; t++) {
      next = (rotateLeft(a, 5) + ((b & c) | (~b & d)) + 0x5a827999 + e + (words[t] ?? 0)) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    for (let t = 20; t < 40; t++) {
      next = (rotateLeft(a, 5) + (b ^ c ^ d) + 0x6ed9eba1 + e + (words[t] ?? 0)) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    for (let t = 40; t < 60; t++) {
      next = (rotateLeft(a, 5) + ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc + e + (words[t] ?? 0)) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    for (let t = 60; t < 80; t++) {
      next = (rotateLeft(a, 5) + (b ^ c ^ d) + 0xca62c1d6 + e + (words[t] ?? 0)) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  return hex(h0) + hex(h1) + hex(h2) + hex(h3) + hex(h4);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
