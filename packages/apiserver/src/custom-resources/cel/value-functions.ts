/** Texts, lists and URLs. Source: Kubernetes documentation, "Common Expression Language in Kubernetes", "CEL options, language features and libraries". */
import type { Environment } from '@marcbachmann/cel-js';

/** A URL as a value of the language. */
class UrlValue {
  readonly url: URL;
  constructor(url: URL) {
    this.url = url;
  }
}

/** An absolute URI or an absolute path, as in Kubernetes. */
function readUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url === null || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? undefined : url;
}

function url(text: string): UrlValue {
  const found = readUrl(text);
  if (found === undefined) throw new Error(`URL parse error during conversion from string: ${text}`);
  return new UrlValue(found);
}

type Comparable = bigint | number | string;
const less = (a: Comparable, b: Comparable): boolean => a < b;

function best(
  list: readonly Comparable[],
  better: (a: Comparable, b: Comparable) => boolean,
  name: string,
): Comparable {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return rest.reduce((found, each) => (better(each, found) ? each : found), first);
}

const codes = (text: string): string[] => [...text];

function charAt(text: string, index: bigint): string {
  const all = codes(text);
  if (index < 0n || index > BigInt(all.length)) throw new Error(`index out of range: ${index}`);
  return all[Number(index)] ?? '';
}

function replace(text: string, from: string, to: string, limit: bigint): string {
  if (limit < 0n) return text.replaceAll(from, () => to);
  const parts = text.split(from);
  const cut = Math.min(Number(limit), parts.length - 1);
  return [parts.slice(0, cut + 1).join(to), ...parts.slice(cut + 1)].join(from);
}

function findAll(text: string, pattern: string, limit: bigint): string[] {
  const found = Array.from(text.matchAll(new RegExp(pattern, 'gu')), match => match[0]);
  return limit < 0n ? found : found.slice(0, Number(limit));
}

/** Makes the functions on texts, lists and URLs known to an environment. */
export function registerValueFunctions(env: Environment): void {
  env.registerFunction('string.charAt(int): string', charAt);
  env.registerFunction('string.replace(string, string): string', (s: string, a: string, b: string) =>
    replace(s, a, b, -1n),
  );
  env.registerFunction('string.replace(string, string, int): string', replace);
  env.registerFunction('string.reverse(): string', (text: string) => codes(text).reverse().join(''));
  env.registerFunction('string.find(string): string', (s: string, p: string) => findAll(s, p, 1n)[0] ?? '');
  env.registerFunction('string.findAll(string): list<string>', (s: string, p: string) => findAll(s, p, -1n));
  env.registerFunction('string.findAll(string, int): list<string>', findAll);

  for (const type of ['int', 'double', 'string']) {
    const list = `list<${type}>`;
    env.registerFunction(`${list}.isSorted(): bool`, (values: Comparable[]) =>
      values.every((value, i) => i === 0 || !less(value, values[i - 1] ?? value)),
    );
    env.registerFunction(`${list}.min(): ${type}`, (values: Comparable[]) => best(values, less, 'min'));
    env.registerFunction(`${list}.max(): ${type}`, (values: Comparable[]) => best(values, (a, b) => less(b, a), 'max'));
    env.registerFunction(`${list}.indexOf(${type}): int`, (values: Comparable[], value: Comparable) =>
      BigInt(values.indexOf(value)),
    );
    env.registerFunction(`${list}.lastIndexOf(${type}): int`, (values: Comparable[], value: Comparable) =>
      BigInt(values.lastIndexOf(value)),
    );
  }
  env.registerFunction('list<int>.sum(): int', (values: bigint[]) => values.reduce((a, b) => a + b, 0n));
  env.registerFunction('list<double>.sum(): double', (values: number[]) => values.reduce((a, b) => a + b, 0));

  env.registerType('kubernetes.URL', UrlValue);
  env.registerFunction('isURL(string): bool', (text: string) => readUrl(text) !== undefined);
  env.registerFunction('url(string): kubernetes.URL', url);
  env.registerFunction('kubernetes.URL.getScheme(): string', (v: UrlValue) => v.url.protocol.slice(0, -1));
  env.registerFunction('kubernetes.URL.getHost(): string', (v: UrlValue) => v.url.host);
  env.registerFunction('kubernetes.URL.getHostname(): string', (v: UrlValue) => v.url.hostname.replace(/^\[|\]$/g, ''));
  env.registerFunction('kubernetes.URL.getPort(): string', (v: UrlValue) => v.url.port);
  env.registerFunction('kubernetes.URL.getEscapedPath(): string', (v: UrlValue) => v.url.pathname);
}
