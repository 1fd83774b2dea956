import { missingForKubernetes } from '../../tests/kubernetes/server.ts';

/**
 * Runs the present program in network and mount namespaces of its own, and ends with its exit code; returns at once inside.
 * Names of namespaces, the node's routes and rules, ports of loopback: all of it ends with the program. Ends with 2 where no
 * node can be.
 */
export async function enterPrivateNetwork(): Promise<void> {
  if (process.env.CALICO_BENCH_INSIDE !== undefined) return;
  const missing = process.getuid?.() === 0 ? missingForKubernetes() : 'needs root';
  if (missing !== undefined) {
    console.error(`Cannot measure: ${missing}`);
    process.exit(2);
  }
  const setUp =
    'ip link set lo up && ip link add uplink type veth peer name far && ip address add 172.31.7.1/24 dev uplink && ip link set far up && ip link set uplink up && mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"';
  const inside = ['unshare', '--net', '--mount', '--propagation=private', 'sh', '-c', setUp, 'sh', ...process.argv];
  const env = { ...process.env, CALICO_BENCH_INSIDE: '1' };
  process.exit(await Bun.spawn(inside, { env, stdio: ['ignore', 'inherit', 'inherit'] }).exited);
}

/** The address that the namespace has on its only interface. */
export const nodeAddress = '172.31.7.1/24';
