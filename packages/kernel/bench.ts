/** Costs of the kernel edge, in a fresh namespace: `bun packages/kernel/bench.ts`, as root or under `unshare -Urnm`. */
import { addr, cidr, nthAddr } from '@calico/ip';
import { fillThreadPool, inNamespace } from './src/linux/index.ts';
import { freshNamespaces } from './src/linux/testing.ts';

await fillThreadPool();
const setting = freshNamespaces();
const { kernel, namespace } = setting;

/** Runs `act` that often and prints the mean of one. */
function measure(name: string, times: number, act: (i: number) => void): void {
  for (let i = 0; i < Math.min(times, 50); i++) act(i);
  const start = performance.now();
  for (let i = 0; i < times; i++) act(i);
  console.log(`${name.padEnd(34)} ${((performance.now() - start) / times).toFixed(4)} ms`);
}

try {
  const { index } = kernel.createLink({ kind: 'veth', name: 'cali1', up: true, peer: { name: 'eth0' } });
  const pods = cidr('10.65.0.0/16');
  const route = { table: 254, protocol: 80, scope: 'link', type: 'unicast', link: index } as const;
  const neighbour = { link: index, address: addr('10.65.0.1'), mac: '02:00:00:00:00:01', permanent: true };
  measure('list 3 links', 2000, () => kernel.links());
  measure('get one link', 2000, () => kernel.link('cali1'));
  measure('replace a route', 2000, i =>
    kernel.replaceRoute({ ...route, destination: { addr: nthAddr(pods, i), length: 32 } }),
  );
  measure('list 2000 routes', 50, () => kernel.routes({ table: 254, family: 4 }));
  measure('replace a neighbour', 2000, () => kernel.replaceNeighbour(neighbour));
  measure('enter a namespace and come back', 5000, () => inNamespace(namespace, () => undefined));
  measure('set a sysctl', 2000, () => kernel.setSysctl('net/ipv4/conf/cali1/proxy_arp', '1'));
  measure('delete no conntrack entries', 2000, () => kernel.conntrack.deleteByAddresses([addr('10.65.0.1')]));
  measure('list no conntrack entries', 50, () => kernel.conntrack.list());
  const made: number[] = [];
  measure('create a veth across namespaces', 50, i => {
    const peer = { name: `eth${made.length}`, namespace: setting.otherNamespace };
    made.push(kernel.createLink({ kind: 'veth', name: `made${i}-${made.length}`, peer }).index);
  });
  measure('delete a veth', 50, () => kernel.deleteLink(made.pop() ?? -1));
} finally {
  setting.close();
}
