import { IPAMConfiguration } from '@calico/api';
import { type Client, isAlreadyExists, isConflict, isNotFound } from '@calico/datastore';
import { IpamError } from './error.ts';
import { AGAIN, retrying } from './retry.ts';

const DEFAULTS: IPAMConfiguration['spec'] = { strictAffinity: false, autoAllocateBlocks: true };

/** The cluster's configuration as stored; its defaults when there is none. */
export async function readConfiguration(client: Client): Promise<IPAMConfiguration['spec']> {
  return (await stored(client))?.spec ?? DEFAULTS;
}

/** Changes fields of the cluster's configuration. Rejects with Invalid, and writes nothing, when they contradict each other. */
export async function changeConfiguration(
  client: Client,
  changes: Partial<IPAMConfiguration['spec']>,
): Promise<IPAMConfiguration['spec']> {
  return await retrying('change IPAMConfiguration(default)', async () => {
    const before = await stored(client);
    const spec = { ...(before?.spec ?? DEFAULTS), ...changes };
    checkConfiguration(spec);
    try {
      if (before === undefined) return (await client.create(IPAMConfiguration, newConfiguration(spec))).spec;
      return (await client.update(IPAMConfiguration, { ...before, spec })).spec;
    } catch (err) {
      if (isAlreadyExists(err) || isConflict(err) || isNotFound(err)) return AGAIN;
      throw err;
    }
  });
}

function checkConfiguration({
  strictAffinity,
  autoAllocateBlocks,
  maxBlocksPerHost = 0,
}: IPAMConfiguration['spec']): void {
  const what = 'Cannot change IPAMConfiguration(default)';
  if (!strictAffinity && !autoAllocateBlocks) {
    throw new IpamError(
      'Invalid',
      `${what}: spec.autoAllocateBlocks is false; allowed while spec.strictAffinity is false: true`,
    );
  }
  if (maxBlocksPerHost > 0 && !strictAffinity) {
    throw new IpamError(
      'Invalid',
      `${what}: spec.maxBlocksPerHost is ${maxBlocksPerHost}; allowed while spec.strictAffinity is false: 0`,
    );
  }
}

function newConfiguration(spec: IPAMConfiguration['spec']): IPAMConfiguration {
  const { apiVersion, kind } = IPAMConfiguration;
  return { apiVersion, kind, metadata: { name: 'default' }, spec };
}

async function stored(client: Client): Promise<IPAMConfiguration | undefined> {
  try {
    return await client.get(IPAMConfiguration, { name: 'default' });
  } catch (err) {
    if (isNotFound(err)) return undefined;
    throw err;
  }
}
