import { printAddr } from '@calico/ip';
import { IpamError, isIpamError } from '@calico/ipam';
import { Agent } from './agent.ts';
import type { Allocator } from './node.ts';
import type { Pod } from './world.ts';

/** Our agent as CNI server of a node. */
export class OurAgent extends Agent implements Allocator {
  async add(pod: Pod, handle: string, wanted: number): Promise<string[]> {
    const { ipv4, notes } = await this.ipam.autoAssign({
      node: pod.node,
      nodeLabels: {},
      handle,
      attributes: { pod: pod.name, namespace: 'default', node: pod.node },
      ipv4: wanted,
      ipv6: 0,
      intendedUse: 'Workload',
    });
    if (ipv4.length < wanted) throw new IpamError('NoAddress', notes.join('; '));
    return ipv4.map(each => printAddr(each.addr));
  }

  async del(handle: string): Promise<void> {
    try {
      await this.ipam.releaseByHandle(handle);
    } catch (err) {
      if (!isIpamError(err, 'NotFound')) throw err;
    }
  }
}
