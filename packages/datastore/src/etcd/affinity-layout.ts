import { BlockAffinity } from '@calico/api';
import { type Cidr, cidr, printCidr } from '@calico/ip';
import { affinityName, mayBeCut } from '../block-names.ts';
import { type AffinityOwner, affinityLabels, keyCidr, parseAffinityName, parseKeyCidr } from './ipam-names.ts';
import type { KeyRange } from './key-range.ts';
import type { Layout } from './layout.ts';

const ROOT = '/calico/ipam/v2/';
const PLACE = /^\/calico\/ipam\/v2\/(host|virtual)\/([^/]+)\/ipv[46]\/block\/([^/]+)$/;
/** From the affinities of hosts to those of virtual owners; nothing of Calico's lies between. */
const ALL: KeyRange = { key: `${ROOT}host/`, rangeEnd: `${ROOT}virtual0` };

function placeOf({ type, node }: AffinityOwner, block: Cidr): string {
  return `${ROOT}${type}/${node}/ipv${block.addr.family}/block/${keyCidr(block)}`;
}

/** Affinities at `{host|virtual}/<node>/ipv{4|6}/block/<cidr>`; whose and of what is in the key alone. */
export const affinityLayout: Layout<BlockAffinity> = {
  storesMetadata: false,
  range: () => ALL,
  place: ({ spec }) => placeOf({ type: spec.type ?? 'host', node: spec.node }, cidr(spec.cidr)),
  places: ({ name }) =>
    parseAffinityName(name).flatMap(({ node, cidr: block }) =>
      (['host', 'virtual'] as const).map(type => placeOf({ type, node }, block)),
    ),
  search: ({ name }) => (mayBeCut(name) ? ALL : undefined),
  encode({ spec }) {
    const { node: _node, type: _type, cidr: _cidr, ...rest } = spec;
    return { ...rest, deleted: spec.deleted ?? false };
  },
  decode(place, value) {
    const [, type, node = '', text = ''] = PLACE.exec(place) ?? [];
    const block = parseKeyCidr(text);
    if ((type !== 'host' && type !== 'virtual') || block === undefined) return undefined;
    const owner: AffinityOwner = { type, node };
    const stored: Partial<BlockAffinity['spec']> = value;
    return {
      apiVersion: BlockAffinity.apiVersion,
      kind: BlockAffinity.kind,
      metadata: { name: affinityName(node, block), labels: affinityLabels(owner, block) },
      spec: {
        ...stored,
        state: stored.state ?? '',
        ...owner,
        cidr: printCidr(block),
        deleted: stored.deleted ?? false,
      },
    };
  },
};
