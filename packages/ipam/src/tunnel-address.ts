import { type Addr, compareAddr, printCidr } from '@calico/ip';
import type { Labels } from '@calico/selector';
import { IpamError, isIpamError } from './error.ts';
import type { Ipam } from './ipam.ts';
import { type Pool, poolOfAddress } from './pools.ts';
import type { TunnelRequest } from './requests.ts';
import { tunnelPlan, tunnelPools } from './tunnel.ts';

/** Finds or assigns the address of a tunnel, with the calls that any owner of addresses uses. See `Ipam.ensureTunnelAddress`. */
export async function ensureTunnelAddress(
  ipam: Pick<Ipam, 'addressesByHandle' | 'autoAssign' | 'lookup' | 'releaseByHandle' | 'releaseIps'>,
  request: TunnelRequest & { readonly nodeLabels: Labels; readonly pools: readonly Pool[] },
): Promise<Addr | undefined> {
  const { node, kind, nodeLabels } = request;
  const { family, handle, attributes } = tunnelPlan(kind, node);
  const pools = tunnelPools(request.pools, kind, nodeLabels);
  const fitting = async (): Promise<Addr | undefined> => {
    const [first, ...others] = (await ipam.addressesByHandle(handle)).map(({ addr }) => addr).sort(compareAddr);
    if (first === undefined) return undefined;
    // Two agents of one node may both have asked: both keep the same.
    if (others.length > 0) await ipam.releaseIps(others.map(address => ({ address, handle })));
    const found = await ipam.lookup(first);
    const same = found.attributes.node === node && found.attributes.type === attributes.type;
    return same && poolOfAddress(pools, first) !== undefined ? first : undefined;
  };
  const present = pools.length === 0 ? undefined : await fitting();
  if (present !== undefined) return present;
  try {
    await ipam.releaseByHandle(handle);
  } catch (err) {
    if (!isIpamError(err, 'NotFound')) throw err;
  }
  if (pools.length === 0) return undefined;
  const cidrs = pools.map(pool => printCidr(pool.cidr));
  const assigned = await ipam.autoAssign({
    node,
    nodeLabels,
    handle,
    attributes,
    ipv4: family === 4 ? 1 : 0,
    ipv6: family === 6 ? 1 : 0,
    ...(family === 4 ? { pools4: cidrs } : { pools6: cidrs }),
    intendedUse: 'Tunnel',
  });
  if (assigned.notes.length > 0) {
    throw new IpamError(
      'NoAddress',
      `Cannot assign the ${kind} tunnel of node "${node}": ${assigned.notes.join('; ')}`,
    );
  }
  return await fitting();
}
