import { expect, test } from 'bun:test';
import { linesOf } from './lines-of.ts';

async function* chunks(...all: readonly number[][]): AsyncGenerator<Uint8Array, void> {
  for (const bytes of all) yield new Uint8Array(bytes);
}

test('lines are whole however the stream is cut, within a character too, and an unfinished one is left out', async () => {
  const bytes = [...new TextEncoder().encode('one\ntwö\n\nthree')];
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines = await Array.fromAsync(linesOf(chunks(bytes.slice(0, cut), bytes.slice(cut))));
    expect(lines).toEqual(['one', 'twö', '']);
  }
});
