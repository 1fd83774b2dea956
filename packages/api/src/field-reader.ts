import { isObject } from './schema/node.ts';

/** One step from a value to a part of it. */
type Step = (value: unknown) => unknown;

/**
 * A function that reads the field at a path of the few forms that printer columns use (Kubernetes JSONPath): `.name` and
 * `[?(@.name=='text')]`, the first element of a list whose field is that text. Undefined where there is nothing.
 */
export function fieldReader(jsonPath: string): (value: unknown) => unknown {
  const steps = [...jsonPath.matchAll(/\.(\w+)|\[\?\(@\.(\w+)=='([^']*)'\)\]/g)].map(([, name, key, text]) =>
    name === undefined ? element(key ?? '', text ?? '') : member(name),
  );
  return value => steps.reduce((part, step) => step(part), value);
}

function member(name: string): Step {
  return value => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
}

function element(key: string, text: string): Step {
  return value => (Array.isArray(value) ? value.find(item => isObject(item) && item[key] === text) : undefined);
}
