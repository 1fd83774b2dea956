import { createHash } from 'node:crypto';
import type { Family } from '@calico/ip';
import type { Direction, SetId } from '@calico/policy';

/** Our one table: family inet, so that one transaction switches both IP families. */
export const tableName = 'calico';

/** The chain that denied packets end in. It alone says what they get, so that this is changed in one place. */
export const denyChain = 'deny';

/** The chain that packets of connections that were cut end in. */
export const cutChain = 'cut-connection';

/** Sets of the base chains: networks that are translated when they leave the pools, all pools, services that nodes advertise, all nodes. */
export const natSourceSet = (family: Family): string => `nat-outgoing-${family}`;
export const poolSet = (family: Family): string => `ip-pools-${family}`;
export const serviceSet = (family: Family): string => `service-nets-${family}`;
export const vxlanHostSet = (family: Family): string => `vxlan-hosts-${family}`;

/** The set of (interface, source address) that may come in though the address is not routed to the interface. */
export const allowedSourceSet = (family: Family): string => `allowed-sources-${family}`;

/** Maps of floating IPs: external address → internal; (internal, internal) → the external one that a pod sees itself by. */
export const floatingIpMap = (family: Family): string => `floating-ips-${family}`;
export const ownFloatingIpMap = (family: Family): string => `own-floating-ips-${family}`;

/** Verdict maps by interface name: where the packets of a workload go on. */
export const workloadMap = (direction: Direction, family: Family): string =>
  `${direction === 'egress' ? 'from' : 'to'}-workload-${family}`;

/** The same by interface index, which an interface keeps when it is renamed; and the set of all those indexes. */
export const workloadLinkMap = (direction: Direction, family: Family): string =>
  `${direction === 'egress' ? 'from' : 'to'}-workload-link-${family}`;
export const workloadLinkSet = 'workload-links';

/** Maps that many things fill, and that chains only ask, start with this; no address set does. */
const lookupPrefix = 'lookup/';

/** The map of all addresses that are in a set: address → number of its identity. */
export const identitiesMap = (family: Family): string => `${lookupPrefix}identities-${family}`;

/** A map of one program, `program` being its content's name: of classes, also by the networks of one state, or of verdicts. */
export const lookupMap = (program: string, kind: 'classes' | `net-classes/${string}` | 'verdicts'): string =>
  `${lookupPrefix}${program}/${kind}`;

/** Whether a set is one of these maps. */
export const isLookupMap = (name: string): boolean => name.startsWith(lookupPrefix);

/** The part of an address set that one kernel set holds: single addresses, or real networks. */
export type SetPart = 'hosts' | 'nets' | 'ports';

/** The kernel's name of one part of a set. Identifiers keep their hash; ':' is no part of nft's names. */
export function kernelSetName(id: SetId, family: Family, part: SetPart): string {
  return `${id.replaceAll(':', '-')}/${family}/${part}`;
}

/** Longest name of a chain or object in bytes, without its zero. linux/netfilter/nf_tables.h NFT_NAME_MAXLEN */
const maxNameLength = 255;

/** A name for content that never changes: the same content has the same name, other content another. */
export function contentName(prefix: string, content: string): string {
  return `${prefix.slice(0, maxNameLength - 13)}/${hash(content)}`;
}

/** The name itself where the kernel can hold it, else its start and a hash of it. Names of objects are ASCII. */
function fittingName(name: string): string {
  return name.length <= maxNameLength ? name : `${name.slice(0, maxNameLength - 13)}~${hash(name)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 12);
}

/**
 * Name of the counter of a rule: `knp/default/web/ingress/0`. Both families and every copy of the rule share it. What the
 * kernel can't hold is cut and ends in a hash.
 */
export function ruleCounter(owner: string, direction: Direction, index: number): string {
  return fittingName(`${owner}/${direction}/${index}`);
}

/** Name of the counter of packets that a tier's default action denied. */
export function tierCounter(tier: string, direction: Direction): string {
  return fittingName(`tier/${tier}/${direction}/deny`);
}
