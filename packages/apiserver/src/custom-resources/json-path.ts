/**
 * The part of JSONPath that printer columns and selectable fields use: `.spec.a`, `['a.b']`, `[0]`, `[*]` and
 * `[?(@.type=="Ready")]`. Source: Kubernetes documentation, "JSONPath Support".
 */
import { isJsonObject } from '../json.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'where'; readonly path: readonly string[]; readonly value: unknown };

const FIELD = /^\.((?:[^.[\]\\]|\\.)+)/;
const QUOTED = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/;
const INDEX = /^\[(\d{1,6})\]/;
const ALL = /^(?:\[\*\]|\.\*)/;
const WHERE = /^\[\?\(\s*@((?:\.[A-Za-z0-9_-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|(true|false|-?\d+))\s*\)\]/;

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1');

function nextStep(text: string): { step: Step; length: number } | undefined {
  const all = ALL.exec(text);
  if (all) return { step: { kind: 'all' }, length: all[0].length };
  const field = FIELD.exec(text);
  if (field) return { step: { kind: 'field', name: unescaped(field[1] ?? '') }, length: field[0].length };
  const quoted = QUOTED.exec(text);
  if (quoted)
    return { step: { kind: 'field', name: unescaped(quoted[1] ?? quoted[2] ?? '') }, length: quoted[0].length };
  const index = INDEX.exec(text);
  if (index) return { step: { kind: 'index', index: Number(index[1]) }, length: index[0].length };
  const where = WHERE.exec(text);
  if (!where) return undefined;
  const value: unknown = where[4] === undefined ? (where[2] ?? where[3] ?? '') : JSON.parse(where[4]);
  return { step: { kind: 'where', path: (where[1] ?? '').slice(1).split('.'), value }, length: where[0].length };
}

function follow(value: unknown, step: Step): unknown[] {
  switch (step.kind) {
    case 'field':
      return isJsonObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index':
      return Array.isArray(value) && step.index < value.length ? [value[step.index]] : [];
    case 'all':
      return Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];
    case 'where': {
      const at = (item: unknown): unknown =>
        step.path.reduce((v, name) => (isJsonObject(v) ? v[name] : undefined), item);
      return Array.isArray(value) ? value.filter(item => at(item) === step.value) : [];
    }
  }
}

/** What a path finds in a value, in order; undefined for text that is no path of this language. */
export function parseJsonPath(text: string): ((value: unknown) => unknown[]) | undefined {
  const steps: Step[] = [];
  let rest = text.trim();
  if (rest.startsWith('{') && rest.endsWith('}')) rest = rest.slice(1, -1);
  if (rest.startsWith('$')) rest = rest.slice(1);
  while (rest !== '') {
    const next = nextStep(rest);
    if (next === undefined) return undefined;
    steps.push(next.step);
    rest = rest.slice(next.length);
  }
  return value => steps.reduce((values, step) => values.flatMap(v => follow(v, step)), [value]);
}
