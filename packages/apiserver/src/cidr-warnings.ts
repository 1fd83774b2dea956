/** Networks that were given with host bits: taken where Calico takes them, and the client is told what they stand for. */
import type { Kind } from '@calico/api';
import { isMasked, maskCidr, parseCidr, printCidr } from '@calico/ip';
import type { Admission } from './admission.ts';
import { isJsonObject, jsonEquals } from './json.ts';

/** Formats of `@calico/api` that are networks, host bits or not. Those that may have none are refused by validation. */
const FORMATS = new Set<unknown>(['cidr', 'net-any']);
/** The step from a list to its items. */
const ITEMS = Symbol('items');
type Path = readonly (string | typeof ITEMS)[];
/** They travel in headers, which have their limits. */
const MOST = 10;

function pathsOf(schema: unknown, path: Path): Path[] {
  if (!isJsonObject(schema)) return [];
  const own = FORMATS.has(schema['x-calico-format']) ? [path] : [];
  const fields = isJsonObject(schema.properties) ? Object.entries(schema.properties) : [];
  return [
    ...own,
    ...fields.flatMap(([name, inner]) => pathsOf(inner, [...path, name])),
    ...pathsOf(schema.items, [...path, ITEMS]),
  ];
}

const known = new WeakMap<Kind, readonly Path[]>();

function pathsOfKind(kind: Kind): readonly Path[] {
  const found = known.get(kind) ?? pathsOf(kind.schema, []);
  known.set(kind, found);
  return found;
}

/** The texts at a path and where each stands. */
function* textsAt(value: unknown, path: Path, at: string): Generator<{ text: string; at: string }> {
  const [step, ...rest] = path;
  if (step === undefined) {
    if (typeof value === 'string') yield { text: value, at };
  } else if (step === ITEMS) {
    for (const [i, item] of (Array.isArray(value) ? value : []).entries()) yield* textsAt(item, rest, `${at}[${i}]`);
  } else if (isJsonObject(value)) {
    yield* textsAt(value[step], rest, at === '' ? step : `${at}.${step}`);
  }
}

/** Warns of networks with host bits in what a write brings. */
export const cidrWarnings: Admission = {
  name: 'cidr-warnings',
  validate: ({ kind, operation, object, old, warn }) => {
    const paths = pathsOfKind(kind);
    if (operation === 'delete' || paths.length === 0 || jsonEquals(object.spec, old?.spec)) return;
    let count = 0;
    for (const path of paths) {
      for (const { text, at } of textsAt(object, path, '')) {
        const cidr = text.includes('/') ? parseCidr(text) : undefined;
        if (cidr === undefined || isMasked(cidr) || ++count > MOST) continue;
        warn(
          `${at}: ${JSON.stringify(text)} has host bits; it stands for ${JSON.stringify(printCidr(maskCidr(cidr)))}`,
        );
      }
    }
    if (count > MOST) warn(`${count - MOST} more networks have host bits`);
  },
};
