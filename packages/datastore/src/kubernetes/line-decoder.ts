const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines of text. Every byte is looked at and copied a bounded number of times. */
export class LineDecoder {
  readonly #decoder = new TextDecoder();
  /** The chunks of a line whose end has not come yet. */
  #pending: Uint8Array[] = [];

  /** The lines that `chunk` completes, without their ends; empty lines are left out. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      const line = this.#finish(chunk.subarray(start, end));
      if (line.trim() !== '') lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#pending.push(chunk.subarray(start));
    return lines;
  }

  #finish(tail: Uint8Array): string {
    if (this.#pending.length === 0) return this.#decoder.decode(tail);
    const parts = [...this.#pending, tail];
    this.#pending = [];
    const line = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
    let at = 0;
    for (const part of parts) {
      line.set(part, at);
      at += part.length;
    }
    return this.#decoder.decode(line);
  }
}
