import { Failure } from '../failure.ts';

/** How `get` prints. */
export type Format =
  | { readonly kind: 'narrow' | 'wide' | 'json' | 'yaml' }
  | { readonly kind: 'columns'; readonly headings: readonly string[] };

const ALLOWED = 'ps, wide, yaml, json, custom-columns=<heading>,…';
const COLUMNS = 'custom-columns=';

/** Reads the value of `--output`. Throws a Failure that says what is allowed. */
export function parseFormat(output = 'ps'): Format {
  if (output === 'ps' || output === '') return { kind: 'narrow' };
  if (output === 'wide' || output === 'json' || output === 'yaml') return { kind: output };
  if (output === 'yml') return { kind: 'yaml' };
  if (output.startsWith(COLUMNS)) {
    const headings = output.slice(COLUMNS.length).split(',').filter(Boolean);
    if (headings.length > 0) return { kind: 'columns', headings };
  }
  if (output.startsWith('go-template'))
    throw new Failure(`--output is "${output}"; allowed: ${ALLOWED} (go-template is not there yet)`);
  throw new Failure(`unrecognized output format '${output}'; allowed: ${ALLOWED}`);
}
