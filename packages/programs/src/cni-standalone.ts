import { existsSync, readFileSync } from 'node:fs';
import { type CniHandler, createCniHandler, LinkTrash } from '@calico/cni';
import type { PluginConfig, PluginLog } from '@calico/cni/plugin';
import type { Client } from '@calico/datastore';
import { Ipam } from '@calico/ipam';
import { openKernel, openNamespace } from '@calico/kernel/linux';
import { systemClock, systemRandom } from '@calico/process/system';
import { pluginDatastore, pluginNodeName } from './cni-config.ts';
import { LocalRoutes } from './cni-local-routes.ts';
import { openDatastore, openKubernetesBeside } from './datastore/open.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where tests look in. */
export interface StandaloneHooks {
  /** Told what has just been done: `ADD veth` … */
  onPhase?(phase: string): void;
  /** Wraps what addresses are read and written with. */
  ipamClient?(client: Client): Client;
}

/** What the kernel itself gives a veth. */
const kernelMtu = 1500;

/**
 * Opens all that the plugin needs to work without an agent (`"agent": "none"`): the same handler as the agent's, on a
 * datastore that the network configuration names, with nobody but a Felix elsewhere to program policy. Rejects with an
 * Error or CniError that says what cannot be used.
 */
export async function openStandalone(
  config: PluginConfig,
  env: Environment,
  log: PluginLog,
  hooks: StandaloneHooks = {},
): Promise<{ readonly ask: CniHandler; close(): Promise<void> }> {
  const libFolder = env.CALICO_LIB_DIR || '/var/lib/calico';
  const nodeName = pluginNodeName(config, `${libFolder}/nodename`);
  const datastoreConfig = pluginDatastore(config, env);
  const time = { clock: systemClock, random: systemRandom };
  const opening = { env, log, ...time };
  const datastore = await openDatastore(datastoreConfig, opening);
  const kernel = openKernel();
  const trash = new LinkTrash(kernel, systemClock, log);
  const mtuFile = `${libFolder}/mtu`;
  const ask = createCniHandler(
    {
      nodeName,
      client: datastore.client,
      datastoreType: datastore.type,
      kubernetes: await openKubernetesBeside(datastore, datastoreConfig, opening),
      ipam: new Ipam({ client: hooks.ipamClient?.(datastore.client) ?? datastore.client, log, ...time }),
      kernel,
      openKernel: namespace => openKernel({ namespace }),
      openNamespace,
      felix: new LocalRoutes(kernel, systemClock),
      mtu: () => (existsSync(mtuFile) ? Number(readFileSync(mtuFile, 'utf8').trim()) || kernelMtu : kernelMtu),
      mtuFile,
      log,
      ...time,
      onPhase: phase => hooks.onPhase?.(phase),
    },
    trash,
  );
  return {
    ask,
    async close() {
      trash.empty();
      kernel.close();
      datastore.close();
    },
  };
}
