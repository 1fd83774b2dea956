import { describe, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { datastoreContract } from '../contract/index.ts';
import { globalNetworkSet } from '../contract/objects.ts';
import { isOutcomeUnknown } from '../error.ts';
import { memoryClient } from './client.ts';

describe('memoryClient keeps the contract:', () => {
  datastoreContract(async () => {
    const client = memoryClient();
    return { client, compact: () => client.compact(), close: () => client.endWatches() };
  });
});

test('memoryClient.failNext makes one call fail, and can lose the answer of a write that is done', async () => {
  const client = memoryClient();
  client.failNext('create', { code: 'Unavailable' });
  await expect(client.create(GlobalNetworkSet, globalNetworkSet('a'))).rejects.toMatchObject({ outcomeUnknown: false });
  client.failNext('create', { code: 'Timeout', done: true });
  const lost = await client.create(GlobalNetworkSet, globalNetworkSet('a')).catch((err: unknown) => err);
  expect(isOutcomeUnknown(lost)).toBe(true);
  expect((await client.get(GlobalNetworkSet, { name: 'a' })).metadata.name).toBe('a');
});

test('memoryClient gives the same uids on every run', async () => {
  const uid = async () => (await memoryClient().create(GlobalNetworkSet, globalNetworkSet('a'))).metadata.uid;
  expect(await uid()).toBe(await uid());
});
