import type { Kernel } from '@calico/kernel';
import type { DataplaneConfig } from './dataplane-config.ts';
import { baseChains, baseSets } from './policy/base-chains.ts';
import { interfaceSets } from './policy/interface-maps.ts';
import { NftablesWriter } from './policy/nftables-writer.ts';
import { Ruleset } from './policy/ruleset.ts';

/**
 * Writes the rules of a node of which nothing is known yet: no packet of a workload's interface passes. For a kernel that has
 * none of ours; a Dataplane finds them as if left by an earlier run. KernelError when the kernel refuses.
 */
export function closeWorkloads(kernel: Kernel, config: DataplaneConfig): void {
  const ruleset = new Ruleset();
  // No more than what the base chains ask: another map would be there, empty, when the first view comes, which could not fill
  // it before something leads to it.
  for (const spec of [...baseSets(), ...interfaceSets()]) ruleset.addSet(spec, []);
  const closed = { ...config, vxlanPort: undefined, floatingIps: false };
  for (const chain of baseChains(closed)) ruleset.setChain(chain);
  new NftablesWriter(kernel.nftables, ruleset).apply();
}
