import { ClusterInformation } from '@calico/api';
import type { Client } from '@calico/datastore';
import { type DatastoreConfig, fileOrEnvironmentConfig } from '../datastore/config.ts';
import type { Datastore } from '../datastore/open.ts';
import { errorText } from './error-text.ts';
import { Failure } from './failure.ts';
import type { CtlStore } from './store.ts';
import type { World } from './world.ts';

/** Flags that every command which talks to the datastore has. */
export interface ConnectionFlags {
  readonly config?: string;
  readonly context?: string;
  readonly allowVersionMismatch?: boolean;
}

/** A datastore that a command works with. */
export interface Session {
  readonly client: Client;
  readonly store: CtlStore;
  /** Rejects with a Failure when the cluster runs another version; to be awaited before the first write. */
  readonly versionChecked: Promise<void>;
}

/** Opens the datastore; the check of the versions is under way when it resolves. */
export async function openSession(flags: ConnectionFlags, world: World): Promise<Session> {
  const { type, client } = await connect(flags, world);
  const store: CtlStore = { type, client, openIpam: () => world.openIpam(client), sleep: world.sleep };
  const versionChecked = flags.allowVersionMismatch === true ? Promise.resolve() : checkVersion(client, world.version);
  // Whoever fails before looking at it must not be troubled by it.
  versionChecked.catch(() => {});
  return { client, store, versionChecked };
}

/** Opens the datastore without asking for its version. */
export async function connect(flags: ConnectionFlags, world: World): Promise<Pick<Datastore, 'type' | 'client'>> {
  const { context } = flags;
  const config = await readConfig(flags.config, world);
  try {
    return await world.openDatastore(context === undefined ? config : { ...config, k8sCurrentContext: context });
  } catch (err) {
    throw new Failure(`Failed to create Calico API client: ${errorText(err)}`, 'out');
  }
}

async function readConfig(path: string | undefined, world: World): Promise<DatastoreConfig> {
  try {
    return await fileOrEnvironmentConfig(path, world.env);
  } catch (err) {
    throw new Failure(errorText(err), 'out');
  }
}

/** The version without a leading `v` and without what follows a dash. */
function release(version: string): string {
  return version.replace(/^v/, '').replace(/-.*$/, '');
}

/** Built from the sources there is no version to compare; and no answer means that the command itself will tell. */
async function checkVersion(client: Client, version: string): Promise<void> {
  if (version === 'dev') return;
  let cluster: string | undefined;
  try {
    cluster = (await client.get(ClusterInformation, { name: 'default' })).spec.calicoVersion;
  } catch {
    return;
  }
  if (cluster === undefined || cluster === '' || release(cluster) === release(version)) return;
  throw new Failure(
    `Version mismatch.\nClient Version:   ${version}\nCluster Version:  ${cluster}\nUse --allow-version-mismatch to override.\n`,
  );
}
