import { printAddr } from '@calico/ip';
import { IpamError, isIpamError } from '@calico/ipam';
import { Agent } from './agent.ts';
import type { Allocator } from './node.ts';
import type { Pod } from './world.ts';

/** Our agent as CNI server of a node. */
export class OurAgent extends Agent implements Allocator {
  /** As the CNI server does it: what the handle has is looked at only when it is there already. */
  async add(pod: Pod, handle: string, wanted: number): Promise<string[]> {
    const request = {
      node: pod.node,
      nodeLabels: {},
      handle,
      attributes: { pod: pod.name, namespace: 'default', node: pod.node },
      ipv4: wanted,
      ipv6: 0,
      intendedUse: 'Workload',
    } as const;
    const { held, given } = await this.ipam.autoAssign({ ...request, newHandle: true }).then(
      given => ({ held: [], given }),
      async err => {
        if (!isIpamError(err, 'HandleExists')) throw err;
        const held = (await this.ipam.addressesByHandle(handle)).slice(0, wanted);
        return { held, given: await this.ipam.autoAssign({ ...request, ipv4: wanted - held.length }) };
      },
    );
    const addresses = [...held, ...given.ipv4];
    if (addresses.length < wanted) throw new IpamError('NoAddress', given.notes.join('; '));
    return addresses.map(each => printAddr(each.addr));
  }

  async del(handle: string): Promise<void> {
    try {
      await this.ipam.releaseByHandle(handle);
    } catch (err) {
      if (!isIpamError(err, 'NotFound')) throw err;
    }
  }
}
