import { createNamespace, deleteNamespace, inNamespace } from '../linux/index.ts';
import { freshPath } from '../linux/testing.ts';
import { NETLINK_NETFILTER, NetlinkSocket, type NetlinkSocketOptions } from '../netlink/index.ts';
import type { NftablesSetting } from './contract.ts';
import { openLinuxNftables } from './linux.ts';

/** nf_tables of a fresh namespace, for tests. */
export interface FreshNftables extends NftablesSetting {
  /** What a command prints inside the namespace; throws Error where it fails. */
  run(...command: readonly string[]): string;
}

/** Opens a fresh namespace, pinned under /run/netns until `close`. `sendBuffer` in bytes; the kernel doubles it. */
export function freshNftables(options: { readonly sendBuffer?: number } = {}): FreshNftables {
  const path = freshPath();
  const namespace = createNamespace(path);
  const openSocket = (more: NetlinkSocketOptions) =>
    inNamespace(namespace, () => new NetlinkSocket(NETLINK_NETFILTER, { ...options, ...more }));
  const nftables = openLinuxNftables({ openSocket });
  return {
    nftables,
    another: () => openLinuxNftables({ openSocket }),
    run(...command) {
      const done = Bun.spawnSync(['nsenter', `--net=${path}`, ...command], { stderr: 'pipe' });
      if (done.exitCode !== 0) throw new Error(`Cannot run ${command.join(' ')}: ${done.stderr.toString()}`);
      return done.stdout.toString();
    },
    close() {
      nftables.close();
      namespace.close();
      deleteNamespace(path);
    },
  };
}
