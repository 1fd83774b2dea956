import { IPPool } from '@calico/api';
import { isNotFound } from '@calico/datastore';
import { type Addr, type Cidr, maskCidr, parseCidr, printCidr } from '@calico/ip';
import type { CniCall } from './cni-call.ts';
import { CniError, errorCodes } from './cni-error.ts';
import type { CniDeps } from './deps.ts';
import type { AddressWish } from './pod-annotations.ts';

/**
 * One address per family for a container: those that its handle has already, new ones for what is missing. Throws CniError
 * 11 when there are not enough; then some may have been assigned and are the caller's to release.
 */
export async function assignAddresses(
  deps: CniDeps,
  call: CniCall,
  wish: AddressWish,
  held: readonly Cidr[],
  namespaceLabels: Readonly<Record<string, string>>,
): Promise<Addr[]> {
  const addresses = wish.families.flatMap(family => held.find(({ addr }) => addr.family === family)?.addr ?? []);
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
    ...(call.pod === undefined ? {} : { namespace: { name: call.pod.namespace, labels: namespaceLabels } }),
    intendedUse: 'Workload',
  });
  addresses.push(...[...ipv4, ...ipv6].map(({ addr }) => addr));
  const short = wish.families.find(family => !addresses.some(each => each.family === family));
  if (short === undefined) return addresses.sort((a, b) => a.family - b.family);
  const reason = notes.length > 0 ? `; ${notes.join('; ')}` : '';
  throw new CniError(errorCodes.tryAgainLater, `Assigned 0 out of 1 requested IPv${short} addresses${reason}`);
}

/** What IPAM notes with an address. Calico's AttributePod, AttributeNamespace, AttributeNode, AttributeTimestamp. */
function attributesOf({ nodeName, clock }: CniDeps, { pod }: CniCall): Record<string, string> {
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
