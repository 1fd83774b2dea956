import { type CalicoctlTable, type Kind, printFieldError, unknownFields } from '@calico/api';
import { Unsupported } from '../failure.ts';
import { type CtlKind, printId } from './ctl-kind.ts';

/** A kind that the datastore keeps as it is. `readOnly` kinds are written by the system alone. */
export function storedKind(kind: Kind, table: CalicoctlTable, readOnly: boolean): CtlKind {
  const refuse = (): void => {
    if (readOnly) throw new Error('resource is readonly');
  };
  return {
    kind: kind.kind,
    apiVersion: kind.apiVersion,
    plural: kind.plural,
    namespaced: kind.namespaced,
    aliases: [kind.singular, kind.plural, ...kind.shortNames, ...kind.aliases],
    table,
    list: (client, namespace) => client.list(kind, namespace === undefined ? {} : { namespace }),
    get: (client, key) => client.get(kind, key),
    create: async (client, resource) => {
      refuse();
      return await client.create(kind, resource);
    },
    update: async (client, next) => {
      refuse();
      return await client.update(kind, next);
    },
    delete: async (client, key) => {
      refuse();
      await client.delete(kind, key);
    },
    unknownFields: value => unknownFields(kind, value),
    faults: resource => kind.validate(kind.default(resource)).map(printFieldError),
  };
}

/** The methods of a kind that is derived from Kubernetes' objects and cannot be written. */
export function readOnlyMethods(kind: string, reason: string): Pick<CtlKind, 'create' | 'update' | 'delete'> {
  const refuse = (op: string, key: { name: string; namespace?: string }): Promise<never> =>
    Promise.reject(new Unsupported(op, printId({ kind }, key), reason));
  return {
    create: (_client, { metadata }) => refuse('Create', metadata),
    update: (_client, { metadata }) => refuse('Update', metadata),
    delete: (_client, key) => refuse('Delete', key),
  };
}
