/** Random inputs: soups of a language's own words, pure noise, and what is known with a few edits. */
import fc from 'fast-check';

/** Words that readers of any text stumble over. */
const awkwardWords = [
  '',
  ' ',
  '\t',
  '\n',
  '\0',
  '\u001b[31m',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ud800',
  'ü',
  '😀',
  '__proto__',
  'constructor',
  '-0',
  '1e400',
  '9007199254740993',
  '\\',
  '"',
  "'",
];

/** A cut in known input: what goes from where (0 to 1 of its length), and what comes instead, so many times. */
interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
  readonly times: number;
}

function edits(words: readonly string[]): fc.Arbitrary<Edit[]> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(8), fc.nat(200)),
    insert: fc.oneof(fc.constantFrom(...words, ...awkwardWords), fc.string({ maxLength: 4 })),
    times: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.nat(50), fc.nat(3000)),
  });
  return fc.array(edit, { minLength: 1, maxLength: 6 });
}

/** Text for a reader whose language has these words. */
export function texts(words: readonly string[], corpus: readonly string[]): fc.Arbitrary<string> {
  const soup = fc
    .array(fc.oneof(fc.constantFrom(...words), fc.constantFrom(...awkwardWords)), { maxLength: 40 })
    .map(parts => parts.join(''));
  const edited = fc.tuple(fc.constantFrom('', ...corpus), edits(words)).map(([known, changes]) =>
    changes.reduce((text, { at, remove, insert, times }) => {
      const start = Math.floor(at * text.length);
      return text.slice(0, start) + insert.repeat(times) + text.slice(start + remove);
    }, known),
  );
  return fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 }), { weight: 3, arbitrary: edited });
}

/** Bytes, of which some are no UTF-8, for a reader whose language has these words. */
export function bytes(words: readonly string[], corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  // Each byte becomes one character for the edits, and a byte again after them.
  const latin = corpus.map(each => Buffer.from(each).toString('latin1'));
  const inLatin = words.map(word => Buffer.from(word).toString('latin1'));
  return fc.oneof(
    { weight: 4, arbitrary: texts(inLatin, latin).map(text => new Uint8Array(Buffer.from(text, 'latin1'))) },
    fc.uint8Array({ maxLength: 200 }),
  );
}
