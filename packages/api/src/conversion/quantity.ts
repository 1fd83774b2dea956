const SUFFIXES: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * A Kubernetes quantity such as `10M`, `1.5Gi` or `1e6` as a whole number, rounded up; undefined when it is none.
 * Kubernetes documentation, "Quantity".
 */
export function parseQuantity(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = '', exponent, suffix = ''] = match;
  const value = Number(digits + (exponent ?? '')) * (SUFFIXES[suffix] ?? 1);
  return Number.isFinite(value) ? Math.ceil(value) : undefined;
}
