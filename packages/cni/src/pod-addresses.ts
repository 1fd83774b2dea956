import { IPPool } from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { type Addr, addrEquals, type Family, maskCidr, parseCidr, printCidr } from '@calico/ip';
import { isIpamError } from '@calico/ipam';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import { releaseHandle } from './ipam.ts';
import type { Wish } from './pod-annotations.ts';

/** Who a container's addresses are chosen for. */
export interface AddressOwner {
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** The container whose place this one takes; empty where there was none. */
  readonly earlier: string;
}

/**
 * The addresses of a container: those that it wants by name, else one per family: those that its handle has already, new
 * ones for what is missing. Throws CniError 11 when there are not enough; then some may have been assigned and are the
 * caller's to release.
 */
export async function assignAddresses(
  deps: CniDeps,
  call: CniCall,
  wish: Wish,
  owner: AddressOwner,
): Promise<readonly Addr[]> {
  if (wish.unmanaged !== undefined) return wish.unmanaged;
  if (wish.exact !== undefined) return await assignExact(deps, call, wish.exact, owner);
  return await assignAny(deps, call, wish, owner);
}

/** An address that an earlier container of the pod still has is this one's. */
async function assignExact(
  deps: CniDeps,
  call: CniCall,
  wanted: readonly Addr[],
  { earlier }: AddressOwner,
): Promise<readonly Addr[]> {
  const { ipam, nodeName } = deps;
  if (earlier !== '' && earlier !== call.parameters.containerId)
    await releaseHandle(ipam, `${call.network}.${earlier}`);
  const held = await ipam.addressesByHandle(call.handle);
  const others = held.filter(({ addr }) => !wanted.some(each => addrEquals(each, addr)));
  await ipam.releaseIps(others.map(({ addr }) => ({ address: addr, handle: call.handle })));
  for (const address of wanted) {
    await ipam.assignIp({
      address,
      handle: call.handle,
      attributes: attributesOf(deps, call),
      node: nodeName,
      intendedUse: 'Workload',
      reuse: true,
    });
  }
  return wanted;
}

/** Nearly every container is new and has no addresses: what it has is looked at only where its handle is there already. */
async function assignAny(deps: CniDeps, call: CniCall, wish: Wish, owner: AddressOwner): Promise<Addr[]> {
  try {
    return await assignMissing(deps, call, wish, owner, undefined);
  } catch (error) {
    if (!isIpamError(error, 'HandleExists')) throw error;
  }
  const held = (await deps.ipam.addressesByHandle(call.handle)).map(({ addr }) => addr);
  return await assignMissing(deps, call, wish, owner, held);
}

/** One address per family, those `held` and new ones. Throws HandleExists when nothing is known of it and it is there. */
async function assignMissing(
  deps: CniDeps,
  call: CniCall,
  wish: Wish,
  { namespaceLabels }: AddressOwner,
  held: readonly Addr[] | undefined,
): Promise<Addr[]> {
  const { pod } = call.workload;
  const ofFamily = (family: Family) => held?.find(each => each.family === family) ?? [];
  const addresses = wish.families.flatMap(ofFamily);
  const missing = wish.families.filter(family => !addresses.some(each => each.family === family));
  if (missing.length === 0) return addresses;
  const [pools4, pools6] = await Promise.all([
    resolvePools(deps, missing.includes(4) ? wish.ipv4Pools : []),
    resolvePools(deps, missing.includes(6) ? wish.ipv6Pools : []),
  ]);
  const { ipv4, ipv6, notes } = await deps.ipam.autoAssign({
    node: deps.nodeName,
    handle: call.handle,
    attributes: attributesOf(deps, call),
    ipv4: missing.includes(4) ? 1 : 0,
    ipv6: missing.includes(6) ? 1 : 0,
    ...(pools4.length > 0 ? { pools4 } : {}),
    ...(pools6.length > 0 ? { pools6 } : {}),
    ...(pod === undefined ? {} : { namespace: { name: pod.namespace, labels: namespaceLabels } }),
    intendedUse: 'Workload',
    newHandle: held === undefined,
  });
  addresses.push(...[...ipv4, ...ipv6].map(({ addr }) => addr));
  const short = wish.families.find(family => !addresses.some(each => each.family === family));
  if (short === undefined) return addresses.sort((a, b) => a.family - b.family);
  const reason = notes.length > 0 ? `; ${notes.join('; ')}` : '';
  throw new CniError(errorCodes.tryAgainLater, `Assigned 0 out of 1 requested IPv${short} addresses${reason}`);
}

/** What IPAM notes with an address. Calico's AttributePod, AttributeNamespace, AttributeNode, AttributeTimestamp. */
function attributesOf({ nodeName, clock }: CniDeps, { workload: { pod } }: CniCall): Record<string, string> {
  const timestamp = new Date(clock.wallTime()).toISOString().replace('T', ' ').replace('Z', ' +0000 UTC');
  return { node: nodeName, timestamp, ...(pod === undefined ? {} : { pod: pod.name, namespace: pod.namespace }) };
}

/** The CIDRs of pools given by CIDR (host bits cleared) or name. */
async function resolvePools({ client }: CniDeps, pools: readonly string[]): Promise<string[]> {
  return await Promise.all(
    pools.map(async text => {
      const parsed = parseCidr(text);
      if (parsed !== undefined) return printCidr(maskCidr(parsed));
      try {
        return (await client.get(IPPool, { name: text })).spec.cidr;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        throw new CniError(
          errorCodes.internal,
          `Cannot assign address: requested pool is "${text}", which does not exist`,
        );
      }
    }),
  );
}
