import { KubeControllersConfiguration } from '@calico/api';
import { defaultConfiguration, find, type RunConfig, runConfig } from '@calico/controllers';
import {
  type Client,
  isAlreadyExists,
  isConflict,
  isNotFound,
  type ReflectorDeps,
  startReflector,
} from '@calico/datastore';
import type { Environment } from '../datastore/config.ts';

const key = { name: 'default' } as const;

/** What runs, by the environment and the stored configuration. That is made when there is none, and its status says what runs. */
export async function loadConfiguration(client: Client, env: Environment): Promise<RunConfig> {
  for (;;) {
    const stored = (await find(() => client.get(KubeControllersConfiguration, key))) ?? (await make(client));
    const { config, status } = runConfig(env, stored.spec);
    if (Bun.deepEquals(stored.status, status)) return config;
    try {
      await writeStatus(client, { ...stored, status });
      return config;
    } catch (err) {
      // Somebody changed it in between: then something else may have to run.
      if (!isConflict(err)) throw err;
    }
  }
}

/** Definitions of Calico's older releases have no status of their own: there it is a part of the object. */
async function writeStatus(client: Client, configuration: KubeControllersConfiguration): Promise<void> {
  try {
    await client.updateStatus(KubeControllersConfiguration, configuration);
  } catch (err) {
    if (!isNotFound(err)) throw err;
    await client.update(KubeControllersConfiguration, configuration);
  }
}

async function make(client: Client): Promise<KubeControllersConfiguration> {
  try {
    return await client.create(KubeControllersConfiguration, defaultConfiguration());
  } catch (err) {
    if (isAlreadyExists(err)) return await client.get(KubeControllersConfiguration, key);
    throw err;
  }
}

/** Calls once something else is to run than does. What the environment overrules may change without. */
export function watchConfiguration(
  client: Client,
  env: Environment,
  running: RunConfig,
  onOther: () => void,
  deps: ReflectorDeps,
): void {
  const look = ({ metadata, spec }: KubeControllersConfiguration) => {
    if (metadata.name === key.name && !Bun.deepEquals(runConfig(env, spec).config, running)) onOther();
  };
  startReflector(
    client,
    KubeControllersConfiguration,
    {
      onSync: items => items.forEach(look),
      // Deleted, it is made anew with the next start; until then what runs goes on.
      onEvent: event => (event.type === 'set' ? look(event.object) : undefined),
    },
    deps,
  );
}
