/** Labels as a plain object. */
export type Labels = { readonly [key: string]: string };

/** Labels as a question. */
export type LabelLookup = (key: string) => string | undefined;

/** An own label, or undefined; what a plain object inherits (`constructor`) is never a string. */
export function ownLabel(labels: Labels, key: string): string | undefined {
  const value: unknown = labels[key];
  return typeof value === 'string' ? value : undefined;
}
