/** JSON values near a known one: a few places of it hold something else. */
import fc from 'fast-check';

/** What programs that wrote an object carelessly would have put there. */
const awkwardValues: readonly unknown[] = [
  ...[null, true, '', ' ', 'x', '\0', '\ud800', '__proto__', 'a'.repeat(300), '10.0.0.1/24', '10.0.0.0/33', '::/0'],
  ...['has(', 'all()', '0', '-1', '65536', '1:2:3', '5:4', '2024-01-01T00:00:00Z', '10s', '1Ki'],
  ...[0, -1, 1, 0.5, 65536, 2 ** 31, 2 ** 53, 1e300, 9007199254740993n],
  ...[[], {}, [null], [[]], [{}], ['x', 'x'], { '': '' }, { a: null }, { constructor: 1 }],
];

/** Whatever JSON (as parseJson gives it) can be. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...awkwardValues),
  fc.jsonValue({ maxDepth: 4 }).map(value => value as unknown),
);

type Step = readonly [
  way: 'replace' | 'delete' | 'add' | 'repeat' | 'copy',
  where: number,
  value: unknown,
  name: string,
];

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('replace', 'replace', 'delete', 'add', 'repeat', 'copy'),
  fc.nat(10_000),
  anyJson,
  fc.constantFrom('x', '__proto__', 'constructor', '', 'a/b', 'spec', 'name', 'ports'),
);

/** Values made from one of the known ones by up to four edits. */
export function edited(known: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.tuple(fc.constantFrom(...known), fc.array(step, { minLength: 1, maxLength: 4 })).map(([value, steps]) => {
    const root = { value: structuredClone(value) };
    for (const each of steps) edit(root, each);
    return root.value;
  });
}

type Holder = Record<string, unknown> | unknown[];
interface Place {
  readonly holder: Holder;
  readonly key: string;
}

function edit(root: { value: unknown }, [way, where, value, name]: Step): void {
  const places = placesOf(root as Holder);
  const place = places[where % places.length];
  if (place === undefined) return;
  const { holder, key } = place;
  const held = Reflect.get(holder, key) as unknown;
  if (way === 'delete' && holder !== root) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  } else if (way === 'repeat' && Array.isArray(held)) {
    held.push(...structuredClone(held));
  } else if (way === 'copy') {
    const from = places[(where * 7919) % places.length];
    if (from !== undefined) put(holder, key, structuredClone(Reflect.get(from.holder, from.key)));
  } else if (way === 'add' && typeof held === 'object' && held !== null) {
    if (Array.isArray(held)) held.push(structuredClone(value));
    else put(held as Holder, name, structuredClone(value));
  } else {
    put(holder, key, structuredClone(value));
  }
}

/** Also where the name is `__proto__`, as JSON.parse does it. */
function put(holder: Holder, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function placesOf(holder: Holder): Place[] {
  return Object.entries(holder).flatMap(([key, part]) => [
    { holder, key },
    ...(typeof part === 'object' && part !== null ? placesOf(part as Holder) : []),
  ]);
}
