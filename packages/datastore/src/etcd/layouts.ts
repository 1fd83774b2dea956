import { BlockAffinity, IPAMBlock, IPAMConfiguration, IPAMHandle, type Kind, type Resource } from '@calico/api';
import { affinityLayout } from './affinity-layout.ts';
import { blockLayout, configurationLayout, handleLayout } from './ipam-layout.ts';
import type { Layout } from './layout.ts';
import { resourceLayout } from './resource-layout.ts';

/** IPAM's own places, as Calico's IPAM reads and writes them; everything else is a resource. */
const IPAM = new Map<string, unknown>([
  [IPAMBlock.kind, blockLayout],
  [BlockAffinity.kind, affinityLayout],
  [IPAMHandle.kind, handleLayout],
  [IPAMConfiguration.kind, configurationLayout],
]);

/** The layout of a kind; undefined for kinds that etcd does not hold: those of Kubernetes. */
export function layoutOf<R extends Resource>(kind: Kind<R>): Layout<R> | undefined {
  if (kind.group !== IPAMBlock.group) return undefined;
  return (IPAM.get(kind.kind) as Layout<R> | undefined) ?? resourceLayout(kind);
}
