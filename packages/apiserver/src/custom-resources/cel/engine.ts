/** The engine that runs rules in CEL, with the functions that Kubernetes adds. Loaded by load.ts alone: nothing else needs it at start. */
import { Environment } from '@marcbachmann/cel-js';
import type { JsonObject } from '../../json.ts';
import { registerNetworkFunctions } from './network-functions.ts';
import { type CelType, celType } from './types.ts';
import { registerValueFunctions } from './value-functions.ts';

/** A rule's expression that fits its schema. */
export interface Expression {
  /** Its value for an object and the one before. Throws an Error that says why there is none. */
  evaluate(self: unknown, oldSelf: unknown): unknown;
}

/** The part of the library's type checker that a macro sees. */
interface Checker {
  check(node: unknown, context: unknown): unknown;
  getType(name: string): unknown;
}

/** The values that the rules of one schema look at. */
export interface Scope {
  /**
   * Throws an Error in the words of the compiler when the expression does not fit the schema or gives another type. `optionalOld`:
   * oldSelf is an optional.
   */
  compile(expression: string, resultType: 'bool' | 'string', optionalOld: boolean): Expression;
  /** A JSON value of the schema as the language has it. */
  convert(value: unknown): unknown;
  /** A converted value as an optional, which undefined makes an empty one. */
  optional(converted: unknown): unknown;
}

const base = new Environment({
  enableOptionalTypes: true,
  // A rule is bounded by the size of the definition that holds it.
  limits: { maxListElements: 10_000, maxMapEntries: 10_000 },
});
/**
 * The library lets `has(a.b)` ask for fields that the type has not, and its macros cannot be replaced: for the check, and for it alone,
 * rules are written with this one.
 */
base.registerFunction('present(ast): bool', ({ args }: { readonly args: readonly unknown[] }) => ({
  typeCheck: (checker: Checker, _macro: unknown, context: unknown) => {
    checker.check(args[0], context);
    return checker.getType('bool');
  },
  evaluate: () => {
    throw new Error('Cannot evaluate present(): it is for checks only');
  },
}));
const strict = (expression: string): string =>
  expression.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<![.\w])has(?=\s*\()/g, found =>
    found === 'has' ? 'present' : found,
  );
registerNetworkFunctions(base);
registerValueFunctions(base);
const readDuration = base.clone().registerVariable('text', 'string').parse('duration(text)');

/** The first line of a complaint, as kube-apiserver words it: the library draws the place below. */
function words(cause: unknown): string {
  const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
  return line.replace(/^No such/, 'no such').replace(/^no such key: (?=index)/, '');
}

/** The scope of a schema; `whole` for the root of an object. */
export function openScope(schema: JsonObject, whole: boolean): Scope {
  const types = base.clone();
  const type: CelType = celType(types, schema, text => readDuration({ text }), whole);
  const environment = (oldType: string): Environment =>
    types.clone().registerVariable('self', type.name).registerVariable('oldSelf', oldType);
  const plain = environment(type.name);
  const withOptional = environment(`optional<${type.name}>`);
  const some = withOptional.parse('optional.of(self)');
  const none = withOptional.parse('optional.none()');
  return {
    convert: type.convert,
    optional: converted => (converted === undefined ? none({}) : some({ self: converted })),
    compile: (expression, resultType, optionalOld) => {
      const env = optionalOld ? withOptional : plain;
      const checked = env.check(expression);
      if (!checked.valid) throw new Error(words(checked.error));
      const { error } = env.check(strict(expression));
      if (error !== undefined) throw new Error(words(error));
      if (checked.type !== resultType && checked.type !== 'dyn') {
        throw new Error(`must evaluate to ${resultType}, not ${checked.type}`);
      }
      const run = env.parse(expression);
      return {
        evaluate: (self, oldSelf) => {
          try {
            return run({ self, oldSelf });
          } catch (cause) {
            throw new Error(words(cause), { cause });
          }
        },
      };
    },
  };
}
