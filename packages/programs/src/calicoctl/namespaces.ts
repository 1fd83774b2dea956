import { Failure } from './failure.ts';
import type { CtlKind } from './kinds/ctl-kind.ts';

/** The flags that choose a namespace. */
export interface NamespaceFlags {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
}

/**
 * The namespace to look in: undefined for kinds that have none, and for all of them. Throws a Failure when the flags do
 * not go together, or not with the kind.
 */
export function chosenNamespace(kind: CtlKind, flags: NamespaceFlags): string | undefined {
  const { namespace, allNamespaces } = flags;
  if (namespace !== undefined && allNamespaces === true)
    throw new Failure(`--namespace is "${namespace}" and --all-namespaces is set; allowed: one of them`);
  if (!kind.namespaced) {
    if (namespace !== undefined || allNamespaces === true) throw new Failure(`${kind.kind} is not namespaced`);
    return undefined;
  }
  return allNamespaces === true ? undefined : (namespace ?? 'default');
}

/** The namespace that a document's object gets: its own, else that of the flag, else `default`. Throws an Error. */
export function documentNamespace(
  kind: Pick<CtlKind, 'kind' | 'namespaced'>,
  own: string | undefined,
  flag: string | undefined,
): string | undefined {
  if (!kind.namespaced) {
    const given = flag ?? own;
    if (given !== undefined && given !== '')
      throw new Error(`${kind.kind} is not namespaced; the namespace is "${given}"`);
    return undefined;
  }
  if (own !== undefined && own !== '' && flag !== undefined && own !== flag)
    throw new Error(`metadata.namespace is "${own}"; allowed: "${flag}", as --namespace says`);
  return own || flag || 'default';
}
