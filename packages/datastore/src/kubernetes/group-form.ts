import type { Kind, Resource } from '@calico/api';
import type { DeleteOptions } from '../client.ts';
import type { CalicoApiGroup } from './api-group.ts';

/** How Calico's objects are held under an API group. Callers always see projectcalico.org/v3. */
export interface GroupForm {
  readonly apiGroup: CalicoApiGroup;
  /** A kind as the server names it. */
  storedKind<R extends Resource>(kind: Kind<R>): Kind<R>;
  /** An object as the server is to hold it, under `name`. */
  toStored<R extends Resource>(kind: Kind<R>, object: R, name: string): R;
  /** The object that the server holds. Gives a new one. */
  fromStored<R extends Resource>(kind: Kind<R>, stored: R): R;
  /** Preconditions as the server knows them. */
  toStoredOptions(options: DeleteOptions): DeleteOptions;
  /** Whether the server's own labels are all that a label of this key can be on. */
  selectsLabel(key: string): boolean;
  /** Whether the server can select by this field. */
  selectsField(field: string): boolean;
}

/** The kinds whose objects belong to tiers, and whose names once began with that of the tier. */
const TIERED = new Set(['NetworkPolicy', 'GlobalNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy']);
const OLD_PREFIX = 'default.';

/** Whether objects of this kind belong to tiers. */
export function isTiered(kind: Pick<Kind, 'kind'>): boolean {
  return TIERED.has(kind.kind);
}

/** The name under which older versions of Calico stored a policy of the default tier; undefined when it is that already. */
export function oldPolicyName(kind: Pick<Kind, 'kind'>, name: string): string | undefined {
  return isTiered(kind) && !name.startsWith(OLD_PREFIX) ? OLD_PREFIX + name : undefined;
}

/** The name of a stored policy: the one kept beside it, else in the default tier that without `default.` in front. */
export function policyName(stored: Resource, savedName: string | undefined): string {
  const { name } = stored.metadata;
  if (savedName !== undefined && savedName !== '') return savedName;
  const tier: unknown = Reflect.get(Object(stored.spec), 'tier') ?? 'default';
  const isOld = (tier === 'default' || tier === '') && name.startsWith(OLD_PREFIX) && name.length > OLD_PREFIX.length;
  return isOld ? name.slice(OLD_PREFIX.length) : name;
}

/** projectcalico.org/v3: objects are held as they are. */
export const nativeForm: GroupForm = {
  apiGroup: 'projectcalico.org/v3',
  storedKind: kind => kind,
  toStored: (_kind, object, name) => ({ ...object, metadata: { ...object.metadata, name } }),
  fromStored: (kind, stored) =>
    isTiered(kind) ? { ...stored, metadata: { ...stored.metadata, name: policyName(stored, undefined) } } : stored,
  toStoredOptions: options => options,
  selectsLabel: () => true,
  selectsField: () => true,
};
