import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { LineDecoder } from './line-decoder.ts';

test('LineDecoder gives the same lines however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' })),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      (texts, sizes) => {
        const wanted = texts.flatMap(text => text.split('\n')).filter(text => text.trim() !== '');
        const bytes = new TextEncoder().encode(texts.map(text => `${text}\n`).join(''));
        const decoder = new LineDecoder();
        const lines: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          lines.push(...decoder.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(lines).toEqual(wanted);
      },
    ),
  );
});

test('LineDecoder keeps a line without end', () => {
  const decoder = new LineDecoder();
  expect(decoder.push(new TextEncoder().encode('a\nb'))).toEqual(['a']);
  expect(decoder.push(new TextEncoder().encode('c\n'))).toEqual(['bc']);
});
