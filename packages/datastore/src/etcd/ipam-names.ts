import { type Cidr, isMasked, parseCidr, printCidr } from '@calico/ip';
import { hostnameHash } from '../block-names.ts';

/** Whose a block is, as etcd's keys have it. */
export interface AffinityOwner {
  readonly type: 'host' | 'virtual';
  readonly node: string;
}

/** The CIDR of a block from its name; undefined when it is none. */
export function parseBlockName(name: string): Cidr | undefined {
  const parts = name.split('-');
  const length = parts.pop();
  const dotted = parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part));
  return canonical(`${parts.join(dotted ? '.' : ':')}/${length}`);
}

/** `10.0.0.0-26`, `fd00::-122`: a CIDR as the last part of a key. */
export function keyCidr(cidr: Cidr): string {
  return printCidr(cidr).replace('/', '-');
}

/** The CIDR that the last part of a key holds; undefined when it is none. */
export function parseKeyCidr(text: string): Cidr | undefined {
  return canonical(text.replace('-', '/'));
}

/** Only the one way to write a block counts, else a name or key would not lead back to itself. */
function canonical(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  return cidr !== undefined && isMasked(cidr) && printCidr(cidr) === text ? cidr : undefined;
}

/** Every owner and CIDR that an affinity of this name may have. A node's name may hold "-" too, so there can be several. */
export function parseAffinityName(name: string): { readonly node: string; readonly cidr: Cidr }[] {
  const found: { node: string; cidr: Cidr }[] = [];
  for (let at = name.indexOf('-'); at >= 0; at = name.indexOf('-', at + 1)) {
    const cidr = at === 0 ? undefined : parseBlockName(name.slice(at + 1));
    if (cidr !== undefined) found.push({ node: name.slice(0, at), cidr });
  }
  return found;
}

/** The labels by which affinities are listed; not stored, as they follow from the key. */
export function affinityLabels({ type, node }: AffinityOwner, cidr: Cidr): Record<string, string> {
  return {
    'projectcalico.org/hostname-hash': hostnameHash(node),
    'projectcalico.org/affinity-type': type,
    'projectcalico.org/ip-version': String(cidr.addr.family),
  };
}
