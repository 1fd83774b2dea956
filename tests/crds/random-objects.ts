/** Objects of a kind made by chance from its schema, and the same with one fault. */
import type { AnyResource, Kind } from '@calico/api';
import fc from 'fast-check';

/** The keywords of a schema that are read here. */
interface Node {
  readonly type?: string;
  readonly properties?: { readonly [name: string]: Node };
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly additionalProperties?: Node;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly format?: string;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-calico-format'?: string;
}

/** Texts that each of our formats takes. */
const FORMATS: { readonly [format: string]: readonly (string | number)[] } = {
  'date-time': ['2026-01-02T03:04:05Z'],
  ip: ['192.0.2.1', '2001:db8::1'],
  ipv4: ['192.0.2.1'],
  ipv6: ['2001:db8::1'],
  cidr: ['10.0.0.0/8', 'fd00::/64'],
  'masked-cidr': ['10.1.0.0/16', 'fd00:1::/48', '192.0.2.0/24'],
  net: ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8'],
  'net-any': ['10.0.0.1/8', 'fd00::1/64'],
  selector: ["app == 'web'", 'all()', 'has(role) && !has(old)', ''],
  'local-selector': ["app == 'web'", 'all()', ''],
  'namespace-selector': ['global()', "team in {'a', 'b'}"],
  port: [80, '8000:8010', 'metrics'],
  'port-range': [30000, '30000:32767'],
  protocol: ['TCP', 'UDP', 'ICMP', 'ICMPv6', 6, 132],
  interface: ['eth0', '*'],
  'interface-pattern': ['eth*', 'bond0'],
  'transport-protocol': ['tcp', 'UDP'],
};
/** Texts where the schema asks for nothing in particular. */
const WORDS = ['default', 'node-1', 'a', 'web', '192.0.2.1', 'Enabled'];

const SPANS = ['90s', '1m30s', '500ms'];

/** Objects that fit the schema of a kind; those that break a rule between fields are among them. */
export function objectsOf(kind: Kind): fc.Arbitrary<AnyResource> {
  const root: Node = kind.schema;
  const example = kind.example();
  const spec = root.properties?.spec;
  return (spec === undefined ? fc.constant({}) : valueFor(spec)).map(made => ({
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: {
      name: example.metadata.name,
      ...(kind.namespaced ? { namespace: 'default' } : {}),
    },
    spec: made,
  }));
}

function valueFor(node: Node): fc.Arbitrary<unknown> {
  if (node.enum !== undefined) return fc.constantFrom(...node.enum);
  const told = FORMATS[node['x-calico-format'] ?? ''];
  if (told !== undefined) return fc.constantFrom(...told);
  if (node['x-kubernetes-int-or-string'] === true) return fc.constantFrom<unknown>(23, '23');
  switch (node.type) {
    case 'object':
      return node.additionalProperties === undefined ? record(node) : mapOf(node.additionalProperties);
    case 'array':
      return listOf(node);
    case 'integer':
      return fc.integer({ min: node.minimum ?? 0, max: Math.min(node.maximum ?? 1000, 2 ** 31 - 1) });
    case 'number':
      return fc.constantFrom(0, 1, 10.5, 1000);
    case 'boolean':
      return fc.boolean();
    default:
      return textOf(node);
  }
}

function textOf({ pattern, maxLength = 253, format }: Node): fc.Arbitrary<string> {
  if (format === 'date-time') return fc.constant('2026-01-02T03:04:05Z');
  if (pattern === undefined) return fc.constantFrom(...WORDS).filter(text => text.length <= maxLength);
  const allowed = new RegExp(pattern.replace('(?i)', ''), 'u');
  // Spans of time with fractions are taken by Go and by us, but not by the reference: see differences.ts.
  if (SPANS.every(span => allowed.test(span))) return fc.constantFrom(...SPANS);
  return fc.stringMatching(allowed).filter(text => text.length <= maxLength);
}

function listOf({ items = {}, minItems = 0, maxItems = 3, ...node }: Node): fc.Arbitrary<unknown> {
  const limits = { minLength: minItems, maxLength: Math.min(maxItems, Math.max(minItems, 2)) };
  const keys = node['x-kubernetes-list-map-keys'];
  if (node['x-kubernetes-list-type'] !== 'set' && keys === undefined) return fc.array(valueFor(items), limits);
  return fc.uniqueArray(valueFor(items), { ...limits, selector: item => JSON.stringify(item) });
}

function mapOf(node: Node): fc.Arbitrary<unknown> {
  return valueFor(node).map(value => ({ key: value }));
}

/** Few of the optional fields at a time: most pairs of fields exclude each other somewhere. */
function record({ properties = {}, required = [], maxProperties }: Node): fc.Arbitrary<unknown> {
  const names = Object.keys(properties);
  const optional = names.filter(name => !required.includes(name));
  if (maxProperties === 1) {
    return fc.oneof(...names.map(name => valueFor(properties[name] ?? {}).map(value => ({ [name]: value }))));
  }
  return fc
    .subarray(optional, { maxLength: Math.min(optional.length, 4) })
    .chain(chosen =>
      fc.record(Object.fromEntries([...required, ...chosen].map(name => [name, valueFor(properties[name] ?? {})]))),
    );
}

/** One way to make an object wrong. */
export interface Fault {
  /** `<place> <keyword>`, as in `facts.ts`. */
  readonly fact: string;
  readonly object: AnyResource;
}

type Step = string | number;
type Change = (holder: Record<Step, unknown>, key: Step) => void;

/** Every way to break one fact of the schema in a valid object, each on a copy of it. */
export function faultsOf(kind: Kind, object: AnyResource): Fault[] {
  const faults: Fault[] = [];
  const add = (fact: string, steps: readonly Step[], change: Change): void => {
    const copy: AnyResource = structuredClone(object);
    let holder: unknown = copy;
    for (const step of steps.slice(0, -1)) holder = (holder as Record<Step, unknown>)[step];
    change(holder as Record<Step, unknown>, steps.at(-1) ?? '');
    faults.push({ fact, object: copy });
  };
  const put = (fact: string, steps: readonly Step[], value: unknown): void =>
    add(fact, steps, (holder, key) => {
      holder[key] = value;
    });
  const walk = (node: Node, value: unknown, place: string, steps: readonly Step[]): void => {
    put(`${place} type`, steps, wrongType(node));
    if (node.enum !== undefined) put(`${place} enum`, steps, node.type === 'integer' ? 5 : 'Bogus');
    if (node.maximum !== undefined) put(`${place} maximum`, steps, node.maximum + 1);
    if (node.minimum !== undefined) put(`${place} minimum`, steps, node.minimum - 1);
    if (node.maxLength !== undefined) put(`${place} maxLength`, steps, 'a'.repeat(node.maxLength + 1));
    if (node.pattern !== undefined && node.enum === undefined) put(`${place} pattern`, steps, '!?');
    if (node.format === 'cidr') put(`${place} format`, steps, '10.0.0.0/33');
    if (Array.isArray(value)) {
      if ((node.minItems ?? 0) > 0) put(`${place} minItems`, steps, []);
      if (node.maxItems !== undefined && value.length > 0) {
        put(`${place} maxItems`, steps, Array(node.maxItems + 1).fill(value[0]));
      }
      if (node['x-kubernetes-list-type'] === 'set' && value.length > 0) {
        put(`${place} x-kubernetes-list-type`, steps, [value[0], value[0]]);
      }
      for (const [i, item] of value.entries()) walk(node.items ?? {}, item, `${place}[]`, [...steps, i]);
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) {
        const inner = node.properties?.[name];
        if (inner !== undefined) walk(inner, part, `${place}.${name}`, [...steps, name]);
        if (node.required?.includes(name) && inner?.default === undefined) {
          add(`${place}.${name} required`, [...steps, name], (holder, key) => Reflect.deleteProperty(holder, key));
        }
      }
    }
  };
  const root: Node = kind.schema;
  walk(root.properties?.spec ?? {}, object.spec, 'spec', ['spec']);
  return faults;
}

function wrongType(node: Node): unknown {
  if (node['x-kubernetes-int-or-string'] === true) return { wrong: true };
  return node.type === 'string' ? 7 : 'wrong';
}
