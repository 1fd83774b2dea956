import { describe, expect, test } from 'bun:test';
import { CONTAINER_ID_ANNOTATION, POD_IPS_ANNOTATION, Pod, type WorkloadEndpoint } from '@calico/api';
import type { Client } from '@calico/datastore';
import { type MemoryClient, memoryClient } from '@calico/datastore/memory';
import { ClockFake, seededRandom } from '@calico/reconcile';
import { podEntry } from './endpoint-entry.ts';

const key = { namespace: 'shop', name: 'web' };
const clock = Object.assign(new ClockFake(), { sleep: async () => {} });

async function newPod(annotations?: Record<string, string>): Promise<{ client: MemoryClient; pod: Pod }> {
  const client = memoryClient({ clock });
  const pod = await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...key, ...(annotations && { annotations }) },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'none' }] },
  });
  return { client, pod };
}

function entry(client: Pick<Client, 'get' | 'patch'>, pod: Pod) {
  return podEntry({ client: client as Client, clock, random: seededRandom(1) }, pod);
}

function endpoint(containerID: string, address: string): WorkloadEndpoint {
  const spec = { containerID, ipNetworks: [`${address}/32`] } as WorkloadEndpoint['spec'];
  return { apiVersion: '', kind: 'WorkloadEndpoint', metadata: { name: 'web' }, spec };
}

async function noted(client: MemoryClient): Promise<(string | undefined)[]> {
  const { annotations = {} } = (await client.get(Pod, key)).metadata;
  return [annotations[CONTAINER_ID_ANNOTATION], annotations[POD_IPS_ANNOTATION]];
}

/** A client whose patches are on their way until they are let go, and whose caller is never answered. */
function slow(client: MemoryClient) {
  const underWay: (() => Promise<unknown>)[] = [];
  const patch: Client['patch'] = (...args) => {
    underWay.push(() => client.patch(...args));
    return new Promise(() => {});
  };
  return { get: client.get.bind(client), patch, arrive: () => Promise.allSettled(underWay.map(send => send())) };
}

/** A client that counts its requests. */
function counted(client: MemoryClient) {
  const calls: string[] = [];
  const get: Client['get'] = (...args) => {
    calls.push('get');
    return client.get(...args);
  };
  const patch: Client['patch'] = (...args) => {
    calls.push('patch');
    return client.patch(...args);
  };
  return { get, patch, calls };
}

for (const [kind, annotations] of [
  ['without annotations', undefined],
  ['with others', { team: 'a' }],
  ['of an earlier container', { [CONTAINER_ID_ANNOTATION]: 'c0', [POD_IPS_ANNOTATION]: '10.0.0.1/32' }],
] as const) {
  describe(`the entry of a pod ${kind}`, () => {
    test('is written, and taken back, by one request each', async () => {
      const { client, pod } = await newPod(annotations);
      const through = counted(client);
      const mine = entry(through, pod);
      await mine.write(endpoint('c1', '10.0.0.7'));
      expect(await noted(client)).toEqual(['c1', '10.0.0.7/32']);
      await mine.clear();
      expect(await noted(client)).toEqual(['c1', '']);
      expect(through.calls).toEqual(['patch', 'patch']);
      expect((await client.get(Pod, key)).metadata.annotations).toMatchObject(
        kind === 'with others' ? annotations : {},
      );
    });

    test('is not overwritten by what a dead agent had under way', async () => {
      const { client, pod } = await newPod(annotations);
      const dead = slow(client);
      void entry(dead, pod).write(endpoint('c1', '10.0.0.7'));
      await entry(client, pod).write(endpoint('c2', '10.0.0.8'));
      const [late] = await dead.arrive();
      expect(late).toMatchObject({ status: 'rejected', reason: { code: 'Invalid' } });
      expect(await noted(client)).toEqual(['c2', '10.0.0.8/32']);
    });

    test('is not overwritten, nor cleared, by an ADD that is slower than a newer one', async () => {
      const { client, pod } = await newPod(annotations);
      const slower = entry(client, pod);
      await entry(client, pod).write(endpoint('c2', '10.0.0.8'));
      await expect(slower.write(endpoint('c1', '10.0.0.7'))).rejects.toMatchObject({ code: 'Conflict' });
      await slower.clear();
      expect(await noted(client)).toEqual(['c2', '10.0.0.8/32']);
    });

    test('stays cleared when the write that was given up arrives after all', async () => {
      const { client, pod } = await newPod(annotations);
      const network = slow(client);
      let patch: Client['patch'] = network.patch;
      const mine = entry({ get: network.get, patch: (...args) => patch(...args) }, pod);
      void mine.write(endpoint('c1', '10.0.0.7'));
      patch = client.patch.bind(client);
      await mine.clear();
      await network.arrive();
      expect(await noted(client)).toEqual(['c1', '']);
    });

    test('is written once more when the answer is lost', async () => {
      const { client, pod } = await newPod(annotations);
      client.failNext('patch', { code: 'Unavailable', done: true });
      await entry(client, pod).write(endpoint('c1', '10.0.0.7'));
      expect(await noted(client)).toEqual(['c1', '10.0.0.7/32']);
    });

    test('is written although somebody annotates the pod meanwhile', async () => {
      const { client, pod } = await newPod(annotations);
      await client.patch(Pod, key, { metadata: { annotations: { other: 'x' } } }, { type: 'merge' });
      await entry(client, pod).write(endpoint('c1', '10.0.0.7'));
      expect(await noted(client)).toEqual(['c1', '10.0.0.7/32']);
      expect((await client.get(Pod, key)).metadata.annotations).toMatchObject({ other: 'x' });
    });

    test('is not written for a pod that came under the same name', async () => {
      const { client, pod } = await newPod(annotations);
      await client.delete(Pod, key, { gracePeriodSeconds: 0 });
      const { resourceVersion: _version, uid: _uid, ...metadata } = pod.metadata;
      await client.create(Pod, { ...pod, metadata });
      const before = await noted(client);
      const mine = entry(client, pod);
      await expect(mine.write(endpoint('c1', '10.0.0.7'))).rejects.toMatchObject({ code: 'Conflict' });
      await mine.clear();
      expect(await noted(client)).toEqual(before);
    });
  });
}
