/** x-kubernetes-validations: the rules of a schema, compiled, and a value's faults by them. Source: Kubernetes documentation, "Validation rules". */
import type { FieldError, FieldErrorCode } from '@calico/api';
import { isJsonObject, type JsonObject, jsonEquals } from '../../json.ts';
import type { Expression, Scope } from './engine.ts';
import { celEngine } from './load.ts';

const VALIDATIONS = 'x-kubernetes-validations';

/** One rule that is ready to run. */
interface Rule {
  readonly text: string;
  readonly holds: Expression;
  readonly usesOld: boolean;
  readonly optionalOld: boolean;
  readonly message: string | undefined;
  readonly messageExpression: Expression | undefined;
  /** Below the value, as `.name`. */
  readonly fieldPath: string;
  readonly code: FieldErrorCode;
}

/** The rules of a schema and of those inside it; undefined parts have none. */
export interface RuleTree {
  readonly type: string;
  readonly scope: Scope | undefined;
  readonly rules: readonly Rule[];
  readonly fields: ReadonlyMap<string, RuleTree>;
  readonly parts: RuleTree | undefined;
  readonly items: RuleTree | undefined;
  /** By what an item of the list is the same as one before. */
  readonly keys: readonly string[] | undefined;
}

/** What compiling a schema's rules found. */
export interface CompiledRules {
  readonly tree: RuleTree | undefined;
  readonly faults: readonly FieldError[];
  /** Rules that are kept and not evaluated: they use what this engine lacks. */
  readonly lacking: readonly string[];
}

const CODES: Readonly<Record<string, FieldErrorCode>> = {
  FieldValueInvalid: 'Invalid',
  FieldValueForbidden: 'Forbidden',
  FieldValueRequired: 'Required',
  FieldValueDuplicate: 'Duplicate',
};

/** Functions that Kubernetes has and the engine does not. */
const LACKING =
  /\b(?:quantity|isQuantity|semver|isSemver|format\.[a-zA-Z0-9]+|sets\.[a-z]+|strings\.quote|optMap|optFlatMap|transformList|transformMap|transformMapEntry|existsOne|flatten|slice|distinct|format|authorizer)\b(?=\s*[(.])|\b(?:all|exists|exists_one)\s*\(\s*\w+\s*,\s*\w+\s*,/;

/** Literals of text hold no names. */
const withoutTexts = (rule: string): string => rule.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""');
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Whether a path such as `.spec['a.b']` leads to a field that a schema has. */
function leadsIn(schema: JsonObject, path: string): boolean {
  const steps = path.match(/\.[^.[\]]+|\['[^']+'\]/g) ?? [];
  if (steps.join('') !== path) return false;
  let at: unknown = schema;
  for (const step of steps) {
    const name = step.startsWith('.') ? step.slice(1) : step.slice(2, -2);
    if (!isJsonObject(at)) return false;
    const { properties, additionalProperties } = at;
    at = isJsonObject(properties) && Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
  }
  return isJsonObject(at);
}

/** Compiles the rules of a schema, standing at `path`, and of all inside it. */
class Compiler {
  readonly faults: FieldError[] = [];
  readonly lacking: string[] = [];

  /** `comparable`: every value here has one before that it can be compared with, so rules may speak of it. */
  node(schema: JsonObject, path: string, whole: boolean, comparable: boolean): RuleTree | undefined {
    const { properties, additionalProperties, items } = schema;
    const given = schema[VALIDATIONS];
    const declared = Array.isArray(given) ? given.filter(isJsonObject) : [];
    const scope = declared.length > 0 ? celEngine().openScope(schema, whole) : undefined;
    const rules =
      scope === undefined
        ? []
        : declared.flatMap((rule, i) => this.#rule(scope, schema, rule, `${path}.${VALIDATIONS}[${i}]`, comparable));
    const below = (inner: unknown, name: string, same: boolean): RuleTree | undefined =>
      isJsonObject(inner) ? this.node(inner, `${path}.${name}`, false, same) : undefined;
    const fields = new Map<string, RuleTree>();
    for (const [name, inner] of Object.entries(isJsonObject(properties) ? properties : {})) {
      const tree = below(inner, `properties[${name}]`, comparable);
      if (tree !== undefined) fields.set(name, tree);
    }
    const listKeys = schema['x-kubernetes-list-map-keys'];
    const keys =
      schema['x-kubernetes-list-type'] === 'map' && Array.isArray(listKeys) ? listKeys.map(String) : undefined;
    const parts = below(additionalProperties, 'additionalProperties', comparable);
    const ofItems = below(items, 'items', comparable && keys !== undefined);
    if (rules.length === 0 && fields.size === 0 && parts === undefined && ofItems === undefined) return undefined;
    return { type: String(schema.type ?? ''), scope, rules, fields, parts, items: ofItems, keys };
  }

  #rule(scope: Scope, schema: JsonObject, raw: JsonObject, path: string, comparable: boolean): Rule[] {
    const rule = text(raw.rule)?.trim() ?? '';
    const refuse = (field: string, value: unknown, message: string): Rule[] => {
      this.faults.push({ code: 'Invalid', path: `${path}.${field}`, value, message });
      return [];
    };
    if (rule === '') {
      this.faults.push({ code: 'Required', path: `${path}.rule`, value: undefined, message: 'rule is not specified' });
      return [];
    }
    const messageText = text(raw.messageExpression);
    const lacks = [rule, messageText ?? ''].map(each => LACKING.exec(withoutTexts(each))?.[0]).find(Boolean);
    if (lacks !== undefined) {
      this.lacking.push(`${path}.rule: ${rule}: this server has no ${lacks.trim()}`);
      return [];
    }
    const usesOld = /\boldSelf\b/.test(withoutTexts(rule));
    const optionalOld = raw.optionalOldSelf === true;
    if (usesOld && !comparable) {
      return refuse('rule', rule, 'oldSelf cannot be used on the uncorrelatable portion of the schema');
    }
    if (optionalOld && !usesOld)
      return refuse('optionalOldSelf', true, 'may not be set if oldSelf is not used in rule');
    const code = raw.reason === undefined || raw.reason === '' ? 'Invalid' : CODES[String(raw.reason)];
    if (code === undefined) return refuse('reason', raw.reason, `supported values: ${Object.keys(CODES).join(', ')}`);
    const fieldPath = text(raw.fieldPath) ?? '';
    if (fieldPath !== '' && !leadsIn(schema, fieldPath)) {
      return refuse('fieldPath', fieldPath, 'must be a path of fields that the schema has, such as ".spec.name"');
    }
    const compiled = (field: string, expression: string, type: 'bool' | 'string'): Expression | undefined => {
      try {
        return scope.compile(expression, type, optionalOld);
      } catch (cause) {
        refuse(field, expression, `compilation failed: ${cause instanceof Error ? cause.message : String(cause)}`);
        return undefined;
      }
    };
    const holds = compiled('rule', rule, 'bool');
    const messageExpression =
      messageText === undefined ? undefined : compiled('messageExpression', messageText, 'string');
    if (holds === undefined) return [];
    return [
      {
        text: rule,
        holds,
        usesOld,
        optionalOld,
        message: text(raw.message)?.trim(),
        messageExpression,
        fieldPath,
        code,
      },
    ];
  }
}

/** Compiles every rule of a schema that stands at `path`. The engine is loaded. */
export function compileRules(schema: JsonObject, path: string): CompiledRules {
  const compiler = new Compiler();
  const tree = compiler.node(schema, path, true, true);
  return { tree, faults: compiler.faults, lacking: compiler.lacking };
}

/** What a broken rule says: the outcome of its own expression where that is a good text, else its message. */
function complaint(rule: Rule, self: unknown, old: unknown): string {
  const usual = rule.message ?? `failed rule: ${rule.text}`;
  try {
    const made = rule.messageExpression?.evaluate(self, old);
    return typeof made === 'string' && made.trim() !== '' && !made.includes('\n') ? made.trim() : usual;
  } catch {
    return usual;
  }
}

const at = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);
const below = (path: string, fieldPath: string): string => (path + fieldPath).replace(/^\./, '').replaceAll("'", '');

/** The item of a list before that is the same as this one. */
function sameItem(list: unknown, item: unknown, keys: readonly string[]): unknown {
  if (!Array.isArray(list) || !isJsonObject(item)) return undefined;
  return list.find(each => isJsonObject(each) && keys.every(key => jsonEquals(each[key], item[key])));
}

/**
 * The faults of a value that fits its schema, by the rules. `old` is the value before, undefined where there was none: what an update
 * leaves as it is keeps its faults, as Kubernetes has it.
 */
export function checkRules(tree: RuleTree, value: unknown, old: unknown, path: string): FieldError[] {
  if (value === undefined || value === null) return [];
  const faults: FieldError[] = [];
  const { scope } = tree;
  if (scope !== undefined && tree.rules.length > 0) {
    const unchanged = old !== undefined && jsonEquals(value, old);
    const self = scope.convert(value);
    const oldSelf = old === undefined ? undefined : scope.convert(old);
    for (const rule of tree.rules) {
      if (rule.usesOld ? oldSelf === undefined && !rule.optionalOld : unchanged) continue;
      const before = rule.optionalOld ? scope.optional(oldSelf) : oldSelf;
      const fault = (message: string): FieldError => ({
        code: rule.code,
        path: below(path, rule.fieldPath),
        value: tree.type,
        message,
      });
      try {
        if (rule.holds.evaluate(self, before) !== true) faults.push(fault(complaint(rule, self, before)));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        faults.push(fault(`${why} evaluating rule: ${rule.message ?? rule.text}`));
      }
    }
  }
  if (Array.isArray(value)) {
    const { items, keys } = tree;
    if (items === undefined) return faults;
    const inner = value.map((item, i) => checkRules(items, item, keys && sameItem(old, item, keys), `${path}[${i}]`));
    return [...faults, ...inner.flat()];
  }
  if (!isJsonObject(value)) return faults;
  for (const [name, part] of Object.entries(value)) {
    const known = tree.fields.get(name) ?? tree.parts;
    const before = isJsonObject(old) && Object.hasOwn(old, name) ? old[name] : undefined;
    if (known !== undefined) faults.push(...checkRules(known, part, before, at(path, name)));
  }
  return faults;
}
