import { type Cidr, type Family, parseCidr } from '@calico/ip';
import type { ClusterView } from './cluster-view.ts';

/** The communities that routes inside a prefix carry, each as its parts. */
export interface PrefixCommunities {
  readonly cidr: Cidr;
  readonly communities: readonly (readonly number[])[];
}

/** What `prefixAdvertisements` says for a family; a node's own list takes the place of the cluster's. */
export function communitiesOf({ config, ownConfig }: ClusterView, family: Family): PrefixCommunities[] {
  const names = new Map<string, string>();
  for (const { name, value } of [...(config.communities ?? []), ...(ownConfig.communities ?? [])]) {
    if (name !== undefined && value !== undefined) names.set(name, value);
  }
  return (ownConfig.prefixAdvertisements ?? config.prefixAdvertisements ?? []).flatMap(
    ({ cidr: text, communities }) => {
      const cidr = parseCidr(text ?? '');
      if (cidr?.addr.family !== family) return [];
      const parsed = (communities ?? []).flatMap(entry => {
        const parts = parseCommunity(names.get(entry) ?? entry);
        return parts === undefined ? [] : [parts];
      });
      return parsed.length === 0 ? [] : [{ cidr, communities: parsed }];
    },
  );
}

/** `aa:nn` with parts of 16 bits, or `aa:nn:mm` with parts of 32 bits. */
function parseCommunity(text: string): number[] | undefined {
  if (!/^\d{1,10}(:\d{1,10}){1,2}$/.test(text)) return undefined;
  const parts = text.split(':').map(Number);
  const limit = parts.length === 2 ? 0xffff : 0xffffffff;
  return parts.every(part => part <= limit) ? parts : undefined;
}
