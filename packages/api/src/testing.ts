import { printFieldError, printValue } from './field-error.ts';
import type { Kind } from './kind.ts';
import type { Resource } from './resource.ts';

/** An object that must be refused: what of the example is changed, and the fault that must be named. */
export interface InvalidCase<R extends Resource> {
  readonly name: string;
  /** Changes the example, before defaults are filled in. */
  change(r: R): void;
  readonly path: string;
  /** What stands there; left out where nothing does. */
  readonly value?: unknown;
  /** Words that say what is allowed. */
  readonly allowed: string;
  /** Changes a copy of the example into the object that is stored already. */
  old?(r: R): void;
}

/** Changes an example that must still be valid. */
export interface ValidCase<R extends Resource> {
  readonly name: string;
  change(r: R): void;
  old?(r: R): void;
}

/** One test: what came out and what should have. */
export interface Comparison {
  readonly name: string;
  readonly want: readonly string[];
  got(): readonly string[];
}

/** A comparison for each case of a kind: valid objects have no fault, invalid ones exactly the one that is named. */
export function validationCases<R extends Resource>(
  kind: Kind<R>,
  valid: readonly ValidCase<R>[],
  invalid: readonly InvalidCase<R>[],
): Comparison[] {
  const errorsOf = ({ change, old }: ValidCase<R>) => {
    const object = kind.example();
    change(object);
    if (old === undefined) return kind.validate(kind.default(object));
    const stored = kind.example();
    old(stored);
    return kind.validate(kind.default(object), kind.default(stored));
  };
  const print = (path: string, value: unknown, message: string) => `${path} is ${printValue(value)}: … ${message} …`;
  return [
    ...valid.map(item => ({
      name: `${kind.kind} takes ${item.name}`,
      want: [],
      got: () => errorsOf(item).map(printFieldError),
    })),
    ...invalid.map(item => ({
      name: `${kind.kind} refuses ${item.name}`,
      want: [print(item.path, item.value, item.allowed)],
      got: () =>
        errorsOf(item).map(({ path, value, message }) =>
          print(path, value, message.includes(item.allowed) ? item.allowed : message),
        ),
    })),
  ];
}

/** A value where TypeScript would refuse it: for objects that come from outside. */
export function untyped<T>(value: unknown): T {
  return value as T;
}
