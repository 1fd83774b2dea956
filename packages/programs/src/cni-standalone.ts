import { afterThisTurn } from '@calico/cni/after-this-turn';
import { readDatastoreReady } from '@calico/cni/datastore-ready';
import type { CniRequest, PluginLog } from '@calico/cni/plugin';
import type { Client } from '@calico/datastore';
import { systemClock, systemRandom } from '@calico/process/system';
import { pluginDatastore, pluginNodeName } from './cni-config.ts';
import type { StandaloneHandler } from './cni-standalone-handler.ts';
import { openDatastore, openKubernetesBeside } from './datastore/open.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where tests look in. */
export interface StandaloneHooks {
  /** Told what has just been done: `ADD veth` … */
  onPhase?(phase: string): void;
  /** Wraps what addresses are read and written with. */
  ipamClient?(client: Client): Client;
}

/**
 * Opens all that the plugin needs to do a request without an agent (`"agent": "none"`), on a datastore that the network
 * configuration names. Rejects with an Error or CniError that says what cannot be used.
 */
export async function openStandalone(
  request: CniRequest,
  env: Environment,
  log: PluginLog,
  hooks: StandaloneHooks = {},
): Promise<StandaloneHandler> {
  const { config, command } = request;
  const libFolder = env.CALICO_LIB_DIR || '/var/lib/calico';
  const nodeName = pluginNodeName(config, `${libFolder}/nodename`);
  const datastoreConfig = pluginDatastore(config, env);
  const opening = { env, log, clock: systemClock, random: systemRandom };
  const datastore = await openDatastore(datastoreConfig, opening);
  const kubernetes = await openKubernetesBeside(datastore, datastoreConfig, opening);
  // What every ADD asks first makes the connection, and is answered while the rest of the program is loaded.
  const ready = command === 'ADD' ? readDatastoreReady(datastore.client) : undefined;
  ready?.catch(() => undefined);
  await afterThisTurn();
  const { openHandler } = await import('./cni-standalone-handler.ts');
  return openHandler({ request, nodeName, libFolder, datastore, kubernetes, ready, log, hooks });
}
