import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The small program that a runtime starts in the plugin's place, beside the executable where it was built with it. */
const shimName = 'calico-cni-shim';

/**
 * What a folder of CNI plugins has of ours, by name, in the order to put it there. With the shim that is the whole plugin first, which the shim
 * becomes where it gets no answer from an agent (`packages/cni/shim/calico.c`); else both plugins are the executable.
 */
export function pluginFiles(executable: string): ReadonlyMap<string, string> {
  const shim = join(dirname(executable), shimName);
  if (!existsSync(shim)) return new Map(pluginNames.map(name => [name, executable]));
  return new Map([[wholeName, executable], ...pluginNames.map(name => [name, shim] as const)]);
}

const pluginNames = ['calico', 'calico-ipam'] as const;
const wholeName = 'calico-plugin';
