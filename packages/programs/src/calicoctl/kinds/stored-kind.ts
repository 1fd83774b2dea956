import { type CalicoctlTable, type Kind, printFieldError, unknownFields } from '@calico/api';
import { Unsupported } from '../failure.ts';
import { type CtlKind, type CtlMethods, printId } from './ctl-kind.ts';

/** A kind by its names and rules, whatever its objects are kept in. */
export function describedKind(kind: Kind, table: CalicoctlTable): Omit<CtlKind, keyof CtlMethods> {
  return {
    kind: kind.kind,
    apiVersion: kind.apiVersion,
    plural: kind.plural,
    namespaced: kind.namespaced,
    aliases: [kind.singular, kind.plural, ...kind.shortNames, ...kind.aliases],
    table,
    unknownFields: value => unknownFields(kind, value),
    faults: resource => kind.validate(kind.default(resource)).map(printFieldError),
  };
}

/** The methods of a kind that the datastore keeps as it is. */
export function storedMethods(kind: Kind): CtlMethods {
  return {
    list: ({ client }, namespace) => client.list(kind, namespace === undefined ? {} : { namespace }),
    get: ({ client }, key) => client.get(kind, key),
    create: ({ client }, resource) => client.create(kind, resource),
    update: ({ client }, next) => client.update(kind, next),
    delete: ({ client }, key) => client.delete(kind, key),
  };
}

/** A kind that the datastore keeps as it is. */
export function storedKind(kind: Kind, table: CalicoctlTable): CtlKind {
  return { ...describedKind(kind, table), ...storedMethods(kind) };
}

/** A kind that the system alone writes. */
export function readOnlyKind(kind: Kind, table: CalicoctlTable): CtlKind {
  const refuse = (): Promise<never> => Promise.reject(new Error('resource is readonly'));
  return { ...storedKind(kind, table), create: refuse, update: refuse, delete: refuse };
}

/** The methods of a kind that is derived from Kubernetes' objects and cannot be written. */
export function readOnlyMethods(kind: string, reason: string): Pick<CtlMethods, 'create' | 'update' | 'delete'> {
  const refuse = (op: string, key: { name: string; namespace?: string }): Promise<never> =>
    Promise.reject(new Unsupported(op, printId({ kind }, key), reason));
  return {
    create: (_store, { metadata }) => refuse('Create', metadata),
    update: (_store, { metadata }) => refuse('Update', metadata),
    delete: (_store, key) => refuse('Delete', key),
  };
}
