import { Failure } from './failure.ts';
import type { World } from './world.ts';

/** What a command did to resources, one after the other. */
export interface Outcome {
  /** Of every resource that was asked for. */
  readonly kinds: readonly string[];
  readonly done: number;
  readonly errors: readonly string[];
}

/** The words for a command: `create`, `created`. */
export interface Verb {
  readonly present: string;
  readonly past: string;
}

/** Tells what was done; throws a Failure if not all of it was. */
export function reportOutcome(outcome: Outcome, verb: Verb, world: World): void {
  const { kinds, done, errors } = outcome;
  const total = kinds.length;
  const names = new Set(kinds);
  const single = names.size === 1 ? [...names][0] : undefined;
  const list = `[${errors.join(' ')}]`;
  if (total === 0) world.out('No resources specified\n');
  else if (errors.length === 0) {
    world.out(`Successfully ${verb.past} ${done} ${single === undefined ? '' : `'${single}' `}resource(s)\n`);
  } else if (done > 0) {
    const what = single === undefined ? 'resources' : `'${single}' resources`;
    world.out(`Partial success: ${verb.past} ${done} out of ${total} ${what}:\n`);
    throw new Failure(`hit error: ${list}`);
  } else if (total === 1) throw new Failure(`failed to ${verb.present} '${single}' resource: ${list}`);
  else if (single !== undefined) throw new Failure(`failed to ${verb.present} any '${single}' resources: ${list}`);
  else throw new Failure(`failed to ${verb.present} any resources: ${list}`);
}
