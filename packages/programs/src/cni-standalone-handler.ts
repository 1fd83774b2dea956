import { existsSync, readFileSync } from 'node:fs';
import { type CniHandler, createCniHandler, LinkTrash } from '@calico/cni';
import type { CniRequest, PluginLog } from '@calico/cni/plugin';
import type { Client } from '@calico/datastore';
import { Ipam, type SettingsSource, storedSettings } from '@calico/ipam';
import { openKernel, openNamespace } from '@calico/kernel/linux';
import { systemClock, systemRandom } from '@calico/process/system';
import { LocalRoutes } from './cni-local-routes.ts';
import type { StandaloneHooks } from './cni-standalone.ts';
import type { Datastore } from './datastore/open.ts';

/** What does the plugin's work in its own process, and what ends it. */
export interface StandaloneHandler {
  readonly ask: CniHandler;
  close(): Promise<void>;
}

/** What the kernel itself gives a veth. */
const kernelMtu = 1500;

/** The same handler as the agent's, with nobody but a Felix elsewhere to program policy. Closes the datastore with itself. */
export function openHandler({
  request,
  nodeName,
  libFolder,
  datastore,
  kubernetes,
  ready,
  log,
  hooks,
}: {
  readonly request: CniRequest;
  readonly nodeName: string;
  readonly libFolder: string;
  readonly datastore: Datastore;
  readonly kubernetes: Client | undefined;
  /** What ClusterInformation says, where that is being read. */
  readonly ready: Promise<boolean> | undefined;
  readonly log: PluginLog;
  readonly hooks: StandaloneHooks;
}): StandaloneHandler {
  const time = { clock: systemClock, random: systemRandom };
  const client = hooks.ipamClient?.(datastore.client) ?? datastore.client;
  const kernel = openKernel();
  const trash = new LinkTrash(kernel, systemClock, log);
  const mtuFile = `${libFolder}/mtu`;
  const ask = createCniHandler(
    {
      nodeName,
      client: datastore.client,
      datastoreType: datastore.type,
      kubernetes,
      datastoreReady: () => ready,
      ipam: new Ipam({ client, log, settings: settingsFor(request, client), ...time }),
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

/** The settings as stored; those that an ADD will ask for are read at once, with what it asks for first. */
function settingsFor({ command, config }: CniRequest, client: Client): SettingsSource {
  const stored = storedSettings(client);
  const ipam = config.ipam as { readonly type?: unknown } | undefined;
  if (command !== 'ADD' || ipam?.type !== 'calico-ipam') return stored;
  let first: ReturnType<SettingsSource['read']> | undefined = stored.read();
  first.catch(() => undefined);
  return {
    read() {
      const settings = first ?? stored.read();
      first = undefined;
      return settings;
    },
  };
}
