import { type Addr, compareAddr, printAddr, printCidr } from '@calico/ip';
import type { Labels } from '@calico/selector';
import { IpamError, isIpamError } from './error.ts';
import type { Ipam } from './ipam.ts';
import { type Pool, poolOfAddress } from './pools.ts';
import type { Lookup, TunnelRequest } from './requests.ts';
import { AGAIN, retrying } from './retry.ts';
import { type TunnelPlan, tunnelPlan, tunnelPools } from './tunnel.ts';

type TunnelIpam = Pick<
  Ipam,
  'addressesByHandle' | 'autoAssign' | 'lookup' | 'releaseByHandle' | 'releaseIps' | 'settleHandle' | 'takeOver'
>;

/** An address that a tunnel's handle has. */
interface Held extends Lookup {
  readonly address: Addr;
}

/** Finds or assigns the address of a tunnel, with the calls that any owner of addresses uses. See `Ipam.ensureTunnelAddress`. */
export async function ensureTunnelAddress(
  ipam: TunnelIpam,
  request: TunnelRequest & { readonly nodeLabels: Labels; readonly pools: readonly Pool[] },
): Promise<Addr | undefined> {
  const { node, kind, nodeLabels, noted } = request;
  const plan = tunnelPlan(kind, node);
  const { family, handle, attributes } = plan;
  const pools = tunnelPools(request.pools, kind, nodeLabels);
  if (pools.length === 0) {
    await ipam.releaseByHandle(handle).catch(unlessAbsent);
    return undefined;
  }
  const fits = (held: Held): boolean =>
    held.attributes.node === node &&
    held.attributes.type === attributes.type &&
    poolOfAddress(pools, held.address) !== undefined;
  return await retrying(`find the address of the ${kind} tunnel of node "${node}"`, async () => {
    const present = await keepOne(ipam, plan, fits);
    if (present === 'changed') return AGAIN;
    if (present !== undefined) {
      const isOurs = printAddr(present) === noted || (await ipam.takeOver(present, handle));
      return isOurs ? present : AGAIN;
    }
    const cidrs = pools.map(pool => printCidr(pool.cidr));
    const wanted = {
      node,
      nodeLabels,
      handle,
      attributes,
      ipv4: family === 4 ? 1 : 0,
      ipv6: family === 6 ? 1 : 0,
      ...(family === 4 ? { pools4: cidrs } : { pools6: cidrs }),
      intendedUse: 'Tunnel' as const,
      newHandle: true,
    };
    const assigned = await ipam.autoAssign(wanted).catch(unlessHandleExists);
    if (assigned === undefined) {
      // Another agent of the node is about to assign, or one died before it had; whoever is still at it finds that it lost.
      await ipam.settleHandle(handle);
      return AGAIN;
    }
    if (assigned.notes.length > 0) {
      throw new IpamError(
        'NoAddress',
        `Cannot assign the ${kind} tunnel of node "${node}": ${assigned.notes.join('; ')}`,
      );
    }
    const kept = await keepOne(ipam, plan, fits);
    return kept === 'changed' || kept === undefined ? AGAIN : kept;
  });
}

/**
 * Of the addresses that the handle has, keeps the one that was given out first of those that fit: two agents of one node, who may both
 * have asked, so keep the same. Only what was looked at is released. Gives undefined when none is left.
 */
async function keepOne(
  ipam: TunnelIpam,
  { handle }: TunnelPlan,
  fits: (held: Held) => boolean,
): Promise<Addr | undefined | 'changed'> {
  const all: Held[] = [];
  for (const { addr: address } of await ipam.addressesByHandle(handle)) {
    const found = await ipam.lookup(address).catch(unlessAbsent);
    if (found === undefined || found.handle?.toLowerCase() !== handle.toLowerCase()) return 'changed';
    all.push({ ...found, address });
  }
  const [kept] = all.filter(fits).sort(byAge);
  const others = all.filter(held => held !== kept);
  try {
    if (others.length > 0) await ipam.releaseIps(others.map(held => toRelease(held, handle)));
  } catch (err) {
    if (isIpamError(err, 'Conflict')) return 'changed';
    throw err;
  }
  return kept?.address;
}

/** Within a block by when they were given out; blocks by their place. */
function byAge(a: Held, b: Held): number {
  const sameBlock = printCidr(a.block) === printCidr(b.block);
  return (
    (sameBlock && Number((a.sequenceNumber ?? 0n) - (b.sequenceNumber ?? 0n))) || compareAddr(a.address, b.address)
  );
}

function toRelease({ address, sequenceNumber }: Held, handle: string) {
  return { address, handle, ...(sequenceNumber === undefined ? {} : { sequenceNumber }) };
}

function unlessAbsent(err: unknown): undefined {
  if (!isIpamError(err, 'NotFound') && !isIpamError(err, 'InCooldown')) throw err;
}

function unlessHandleExists(err: unknown): undefined {
  if (!isIpamError(err, 'HandleExists')) throw err;
}
