import { type Addr, addrEquals, type Cidr, cidr, cidrContains, type Family, parseAddr, printAddr } from '@calico/ip';
import type { DetectionMethod } from './detection-method.ts';
import { type HostInterface, isInternal } from './host-interface.ts';

/** What a node can see of where it is. */
export interface Surroundings {
  /** In the kernel's order. */
  readonly interfaces: readonly HostInterface[];
  /** The addresses of type InternalIP that Kubernetes has for the node; undefined where there is no Kubernetes. */
  internalIps(): Promise<readonly string[] | undefined>;
  /** The address that packets to a host would leave from. Rejects when there is no such host or way. */
  reach(host: string, family: Family): Promise<Addr>;
}

/** The address that a method found and whose it is, or why it found none. */
export type Detection =
  | { readonly address: Cidr; readonly interfaceName: string }
  | { readonly address: undefined; readonly reason: string };

/** Finds the node's address of a family by a method. Not to find one is no failure; only asking Kubernetes may reject. */
export async function detectAddress(
  method: DetectionMethod,
  family: Family,
  surroundings: Surroundings,
): Promise<Detection> {
  const first = (wanted: (name: string) => boolean, within: readonly Cidr[] = []): Detection =>
    firstAddress(surroundings.interfaces, family, wanted, within);
  switch (method.kind) {
    case 'first-found':
      return first(name => !isInternal(name));
    case 'interface':
      return first(name => method.names.some(pattern => pattern.test(name)));
    case 'skip-interface':
      return first(name => !isInternal(name) && !method.names.some(pattern => pattern.test(name)));
    case 'cidr':
      return first(() => true, method.cidrs);
    case 'can-reach':
      return reachable(method.host, family, surroundings);
    case 'kubernetes-internal-ip':
      return internalIp(family, surroundings);
  }
}

/** The last interface of the kernel comes first, as ever in Calico: the newest one. */
function firstAddress(
  interfaces: readonly HostInterface[],
  family: Family,
  wanted: (name: string) => boolean,
  within: readonly Cidr[],
): Detection {
  const candidates = interfaces.filter(({ name }) => wanted(name)).reverse();
  for (const { name, addresses } of candidates) {
    const address = addresses.find(
      ({ addr }) =>
        addr.family === family &&
        isGlobalUnicast(addr) &&
        (within.length === 0 || within.some(range => cidrContains(range, addr))),
    );
    if (address !== undefined) return { address, interfaceName: name };
  }
  const looked = candidates.map(({ name }) => name).join(', ') || 'none';
  return { address: undefined, reason: `no usable IPv${family} address on the interfaces looked at (${looked})` };
}

async function reachable(host: string, family: Family, surroundings: Surroundings): Promise<Detection> {
  let source: Addr;
  try {
    source = await surroundings.reach(host, family);
  } catch (error) {
    return { address: undefined, reason: error instanceof Error ? error.message : String(error) };
  }
  return (
    holderOf(source, surroundings.interfaces) ?? {
      address: undefined,
      reason: `packets to ${host} leave from ${printAddr(source)}, which no interface has`,
    }
  );
}

async function internalIp(family: Family, { interfaces, internalIps }: Surroundings): Promise<Detection> {
  const known = await internalIps();
  if (known === undefined) {
    return { address: undefined, reason: 'kubernetes-internal-ip needs Kubernetes, which this node is not part of' };
  }
  const address = known.map(text => parseAddr(text)).find(parsed => parsed?.family === family);
  if (address === undefined) {
    return { address: undefined, reason: `Kubernetes has no InternalIP of IPv${family} for this node` };
  }
  return (
    holderOf(address, interfaces) ?? {
      address: undefined,
      reason: `the node's InternalIP ${printAddr(address)} is on none of its interfaces`,
    }
  );
}

/** The interface that has an address, and the address with its length there. */
export function holderOf(
  address: Addr,
  interfaces: readonly HostInterface[],
): { readonly address: Cidr; readonly interfaceName: string } | undefined {
  for (const { name, addresses } of interfaces.toReversed()) {
    const found = addresses.find(({ addr }) => addrEquals(addr, address));
    if (found !== undefined) return { address: found, interfaceName: name };
  }
  return undefined;
}

/** Ranges whose addresses say nothing about where a host is: unspecified, loopback, multicast, link-local, broadcast. */
const notGlobal: readonly Cidr[] = [
  '0.0.0.0/32',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
].map(text => cidr(text));

/** Whether an address may be that of a host, private ranges included. */
function isGlobalUnicast(addr: Addr): boolean {
  return !notGlobal.some(range => cidrContains(range, addr));
}
