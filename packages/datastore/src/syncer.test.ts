import { heapStats } from 'bun:jsc';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  BGPFilter,
  CalicoNode,
  HostEndpoint,
  IPPool,
  type Kind,
  KubernetesNetworkPolicy,
  Namespace,
  Node,
  Pod,
  Profile,
  type Resource,
  type ResourceUpdate,
  ServiceAccount,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  StagedNetworkPolicy,
  Tier,
  WorkloadEndpoint,
} from '@calico/api';
import { type Clock, ClockFake, seededRandom } from '@calico/reconcile';
import type { ObjectKey } from './client.ts';
import { namespace, node, pod } from './contract/objects.ts';
import { type MemoryClient, memoryClient } from './memory/index.ts';
import { BGP_ETCD_SOURCES, BGP_SOURCES, FELIX_ETCD_SOURCES, FELIX_SOURCES } from './model.ts';
import { type Syncer, startBgpSyncer, startFelixSyncer, startSyncer } from './syncer.ts';
import { eventually } from './testing/collect.ts';

let client: MemoryClient;
let clock: ClockFake;
let stop: AbortController;
let batches: ResourceUpdate[][];
let inSync: number;
let logged: string[];

beforeEach(() => {
  client = memoryClient();
  clock = new ClockFake();
  stop = new AbortController();
  batches = [];
  inSync = 0;
  logged = [];
});
afterEach(() => stop.abort());

const handler = {
  onUpdates: (updates: ResourceUpdate[]) => {
    batches.push(updates);
  },
  onInSync: () => {
    inSync++;
  },
};

function deps() {
  const log = {
    debug: () => {},
    info: () => {},
    warn: (fields: object, message: string) => {
      logged.push(`${message} ${JSON.stringify(fields)}`);
    },
  };
  return { clock, random: seededRandom(1), signal: stop.signal, log };
}

async function start(): Promise<Syncer> {
  const syncer = startFelixSyncer(client, handler, deps());
  await eventually(() => inSync === 1 && client.watches === FELIX_SOURCES.length);
  return syncer;
}

const print = ({ kind, namespace: ns, name, resource }: ResourceUpdate): string =>
  `${resource === undefined ? 'delete' : 'set'} ${kind} ${ns === undefined ? '' : `${ns}/`}${name}`;
const said = (): string[] => batches.flat().map(print);
const hear = (what: string) => eventually(() => said().includes(what));

const key = { namespace: 'contract', name: 'web' };

describe('startFelixSyncer', () => {
  test('is in sync once every kind has been listed, and not before', async () => {
    await client.create(Namespace, namespace());
    await client.create(Pod, pod('web', 'node-1'));
    client.failNext('list', { code: 'Unavailable' }, Tier);
    const syncer = startFelixSyncer(client, handler, deps());
    await hear('set WorkloadEndpoint contract/node--1-k8s-web-eth0');
    await eventually(() => syncer.status().filter(status => status.inSync).length === FELIX_SOURCES.length - 1);
    expect([syncer.inSync, inSync, syncer.age()]).toEqual([false, 0, Number.POSITIVE_INFINITY]);
    expect(syncer.status().find(({ kind }) => kind === 'Tier')).toMatchObject({ state: 'waiting', inSync: false });
    await clock.advance(100);
    await eventually(() => syncer.inSync);
    expect(inSync).toBe(1);
    expect(syncer.age()).toBeLessThanOrEqual(100);
  });

  const conversions: { name: string; make(): Promise<unknown>; want: string }[] = [
    {
      name: 'a namespace into a profile',
      make: () => client.create(Namespace, namespace()),
      want: 'set Profile kns.contract',
    },
    {
      name: 'a service account into a profile',
      make: () =>
        client.create(ServiceAccount, {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { namespace: 'contract', name: 'runner' },
        }),
      want: 'set Profile ksa.contract.runner',
    },
    {
      name: 'a pod into an endpoint',
      make: () => client.create(Pod, pod('web', 'node-1')),
      want: 'set WorkloadEndpoint contract/node--1-k8s-web-eth0',
    },
    { name: 'a node into a Calico node', make: () => client.create(Node, node('n')), want: 'set CalicoNode n' },
    {
      name: 'a Kubernetes policy into a Calico policy',
      make: () =>
        client.create(KubernetesNetworkPolicy, {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { namespace: 'contract', name: 'p' },
          spec: { podSelector: {}, policyTypes: ['Ingress'] },
        }),
      want: 'set KubernetesNetworkPolicy contract/p',
    },
    {
      name: 'a pool as it is',
      make: () =>
        client.create(IPPool, {
          apiVersion: 'projectcalico.org/v3',
          kind: 'IPPool',
          metadata: { name: 'pool' },
          spec: { cidr: '10.0.0.0/16' },
        }),
      want: 'set IPPool pool',
    },
  ];
  for (const { name, make, want } of conversions) {
    test(`converts ${name}`, async () => {
      await start();
      await make();
      await hear(want);
      expect(batches.flat().at(-1)?.resource?.apiVersion).toBe('projectcalico.org/v3');
    });
  }

  test('deletes the endpoint of a pod that ends, and of one that is deleted', async () => {
    await client.create(Pod, pod('web', 'node-1'));
    await start();
    const endpoint = 'WorkloadEndpoint contract/node--1-k8s-web-eth0';
    const phase = (value: string) =>
      client.patch(Pod, key, { status: { phase: value } }, { type: 'merge', subresource: 'status' });
    await phase('Succeeded');
    await hear(`delete ${endpoint}`);
    await client.delete(Pod, key);
    expect(said()).toEqual([`set ${endpoint}`, `delete ${endpoint}`]);
  });

  test('deletes the old endpoint of a pod that was made anew on another node', async () => {
    await client.create(Pod, pod('web', 'node-1'));
    await start();
    await client.delete(Pod, key);
    await client.create(Pod, pod('web', 'node-2'));
    await hear('set WorkloadEndpoint contract/node--2-k8s-web-eth0');
    expect(said()).toEqual([
      'set WorkloadEndpoint contract/node--1-k8s-web-eth0',
      'delete WorkloadEndpoint contract/node--1-k8s-web-eth0',
      'set WorkloadEndpoint contract/node--2-k8s-web-eth0',
    ]);
  });

  test('names by their nodes the endpoints of pods that went, or were made anew elsewhere, while nobody watched', async () => {
    for (const name of ['gone', 'moved', 'stays']) await client.create(Pod, pod(name, 'node-1'));
    const syncer = await start();
    await clock.advance(5_000);
    batches = [];
    client.failNext('watch', { code: 'Unavailable' }, Pod);
    client.endWatches();
    await client.delete(Pod, { ...key, name: 'gone' });
    await client.delete(Pod, { ...key, name: 'moved' });
    await client.create(Pod, pod('moved', 'node-2'));
    client.compact();
    const isWaiting = () => syncer.status().some(({ kind, state }) => kind === 'Pod' && state === 'waiting');
    await eventually(isWaiting);
    await clock.advance(1_000);
    await hear('set WorkloadEndpoint contract/node--2-k8s-moved-eth0');
    expect(said().sort()).toEqual([
      'delete WorkloadEndpoint contract/node--1-k8s-gone-eth0',
      'delete WorkloadEndpoint contract/node--1-k8s-moved-eth0',
      'set WorkloadEndpoint contract/node--2-k8s-moved-eth0',
    ]);
  });

  test('keeps of each pod little more than its key and uid', async () => {
    const pages = 200;
    const listed = (page: number) =>
      Array.from({ length: 100 }, (_, i) => {
        const made = pod(`pod-${page}-${i}`, `node-${i % 10}`);
        const metadata = { ...made.metadata, uid: crypto.randomUUID(), resourceVersion: `${page * 100 + i}` };
        return { ...made, metadata };
      });
    const listPages: MemoryClient['listPages'] = async (kind, _selection, take) => {
      for (let page = 0; kind.kind === 'Pod' && page < pages; page++) await take(listed(page) as never[], page === 0);
      return '1';
    };
    const paged = new Proxy(client, {
      get: (target, name) => (name === 'listPages' ? listPages : Reflect.get(target, name).bind(target)),
    });
    const quick: Clock = {
      now: () => clock.now(),
      wallTime: () => clock.wallTime(),
      sleep: () => Promise.resolve(),
      setTimeout: (call, ms) => clock.setTimeout(call, ms),
      setInterval: (call, ms) => clock.setInterval(call, ms),
    };
    const heldBytes = () => {
      Bun.gc(true);
      const { heapSize, extraMemorySize } = heapStats();
      return heapSize + extraMemorySize;
    };
    const synced = Promise.withResolvers<void>();
    const before = heldBytes();
    const syncer = startFelixSyncer(
      paged,
      { onUpdates: () => {}, onInSync: synced.resolve },
      { ...deps(), clock: quick },
    );
    await synced.promise;
    // 410 bytes; with keys, names and versions as objects and texts 890.
    expect((heldBytes() - before) / (pages * 100)).toBeLessThan(600);
    expect(syncer.inSync).toBe(true);
  });

  test('says nothing of pods without an endpoint', async () => {
    await start();
    await client.create(Pod, { ...pod('web', 'node-1'), spec: { ...pod('web', 'node-1').spec, hostNetwork: true } });
    await client.delete(Pod, key);
    await client.create(Node, node('n'));
    await hear('set CalicoNode n');
    expect(said()).toEqual(['set CalicoNode n']);
  });

  test('hands over in one batch what was received in one', async () => {
    await start();
    const names = Array.from({ length: 20 }, (_, i) => `n${i}`);
    await Promise.all(names.map(name => client.create(Node, node(name))));
    await hear('set CalicoNode n19');
    expect(said()).toEqual(names.map(name => `set CalicoNode ${name}`));
    expect(batches.map(batch => batch.length)).toEqual([20]);
  });

  test('cuts a large first list in slices, with turns of the event loop between', async () => {
    for (let i = 0; i < 2500; i++) await client.create(Node, node(`n${i}`));
    startFelixSyncer(client, handler, deps());
    while (inSync === 0) {
      await eventually(() => inSync === 1 || clock.untilNext === 0);
      await clock.advance(0);
    }
    expect(batches.map(batch => batch.length)).toEqual([1000, 1000, 500]);
  });

  /** Nodes that take 3 ms each, and the clock on which they do. */
  function slowNodes() {
    const [source] = FELIX_SOURCES.filter(({ model }) => model === 'CalicoNode');
    if (source === undefined) throw new Error('no source of nodes');
    let worked = 0;
    const busyClock: Clock = {
      now: () => clock.now() + worked,
      wallTime: () => clock.wallTime(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      setTimeout: (call, ms) => clock.setTimeout(call, ms),
      setInterval: (call, ms) => clock.setInterval(call, ms),
    };
    const slow = {
      ...source,
      convert: (object: Resource, key: ObjectKey) => {
        worked += 3;
        return source.convert(object, key);
      },
    };
    return { slow, busyClock };
  }

  test('cuts a first list by time too, and waits for who takes it', async () => {
    for (let i = 0; i < 12; i++) await client.create(Node, node(`n${i}`));
    const { slow, busyClock } = slowNodes();
    let taken = 0;
    const taking: (() => void)[] = [];
    startSyncer(
      client,
      [slow],
      {
        ...handler,
        onUpdates: updates => {
          taken += updates.length;
          return new Promise(resolve => taking.push(resolve));
        },
      },
      { ...deps(), clock: busyClock },
    );
    await eventually(() => taking.length === 1);
    expect(taken).toBe(3);
    for (let slice = 2; slice <= 4; slice++) {
      taking.at(-1)?.();
      await eventually(() => clock.untilNext === 0);
      await clock.advance(0);
      await eventually(() => taking.length === slice);
      expect(taken).toBe(3 * slice);
    }
    expect(inSync).toBe(0);
    taking.at(-1)?.();
    while (inSync === 0) {
      await eventually(() => inSync === 1 || clock.untilNext === 0);
      await clock.advance(0);
    }
  });

  test('gives others a turn between pages that come one right after the other', async () => {
    const { slow, busyClock } = slowNodes();
    const listPages: MemoryClient['listPages'] = async (_kind, _selection, take) => {
      for (let page = 0; page < 12; page++) await take([node(`n${page}`)] as never[], page === 0);
      return '1';
    };
    const paged = new Proxy(client, {
      get: (target, name) => (name === 'listPages' ? listPages : Reflect.get(target, name).bind(target)),
    });
    const takenByTurn: number[] = [];
    const clockOfTurns: Clock = {
      ...busyClock,
      sleep: (ms, signal) => {
        takenByTurn.push(said().length);
        return busyClock.sleep(ms, signal);
      },
    };
    startSyncer(paged, [slow], handler, { ...deps(), clock: clockOfTurns });
    while (inSync === 0) {
      await eventually(() => inSync === 1 || clock.untilNext === 0);
      await clock.advance(0);
    }
    expect(takenByTurn).toEqual([3, 6, 9, 12]);
  });
});

test('startSyncer takes an object that is not valid for absent, and tells it', async () => {
  const [source] = FELIX_SOURCES.filter(({ model }) => model === 'CalicoNode');
  if (source === undefined) throw new Error('no source of nodes');
  const good = { ...source };
  let refuse = false;
  good.convert = (object, objectKey) => (refuse ? { errors: ['spec.x: bad'] } : source.convert(object, objectKey));
  await client.create(Node, node('n'));
  startSyncer(client, [good], handler, deps());
  await eventually(() => client.watches === 1);
  refuse = true;
  await client.patch(Node, { name: 'n' }, { metadata: { labels: { a: 'b' } } }, { type: 'merge' });
  await hear('delete CalicoNode n');
  expect(logged).toEqual(['object is not valid {"kind":"Node","object":"n","errors":["spec.x: bad"]}']);
});

test('a fault of the handler ends the whole syncer and is told', async () => {
  await client.create(Node, node('n'));
  const syncer = startFelixSyncer(
    client,
    {
      ...handler,
      onUpdates: () => {
        throw new Error('calc');
      },
    },
    deps(),
  );
  await expect(syncer.done).rejects.toThrow('calc');
  expect(client.watches).toBe(0);
});

const example = <R extends Resource>(kind: Kind<R>) => client.create(kind, kind.example());

describe('from etcd, where there is nothing of Kubernetes,', () => {
  test('endpoints, profiles, nodes and policies are in the model as they are stored', async () => {
    startFelixSyncer(client, handler, deps(), 'etcdv3');
    await eventually(() => inSync === 1 && client.watches === FELIX_ETCD_SOURCES.length);
    await example(WorkloadEndpoint);
    await example(Profile);
    await example(CalicoNode);
    await example(HostEndpoint);
    await example(StagedNetworkPolicy);
    await example(StagedGlobalNetworkPolicy);
    await eventually(() => said().length === 6);
    // Kinds come each on its own: only the order within one is promised.
    expect(said().sort()).toEqual([
      'set CalicoNode node-1',
      `set HostEndpoint ${HostEndpoint.example().metadata.name}`,
      'set Profile kns.shop',
      `set StagedGlobalNetworkPolicy ${StagedGlobalNetworkPolicy.example().metadata.name}`,
      `set StagedNetworkPolicy shop/${StagedNetworkPolicy.example().metadata.name}`,
      'set WorkloadEndpoint shop/node--1-k8s-web--0-eth0',
    ]);
  });

  test('BGP has its nodes and filters', async () => {
    startBgpSyncer(client, handler, deps(), 'etcdv3');
    await eventually(() => inSync === 1 && client.watches === BGP_ETCD_SOURCES.length);
    await example(CalicoNode);
    await example(BGPFilter);
    await hear(`set BGPFilter ${BGPFilter.example().metadata.name}`);
    expect(said()).toContain('set CalicoNode node-1');
  });
});

test("a staged policy in Kubernetes' form is a staged policy of Calico's form in the model", async () => {
  await start();
  await example(StagedKubernetesNetworkPolicy);
  const { name } = StagedKubernetesNetworkPolicy.example().metadata;
  await hear(`set StagedKubernetesNetworkPolicy shop/${name}`);
  expect(batches.flat().at(-1)?.resource).toMatchObject({
    kind: 'StagedNetworkPolicy',
    spec: { stagedAction: 'Set', types: ['Ingress'], ingress: [{ action: 'Allow', destination: { ports: [7070] } }] },
  });
});

test('every kind is watched once by each syncer', () => {
  for (const sources of [FELIX_SOURCES, FELIX_ETCD_SOURCES, BGP_SOURCES, BGP_ETCD_SOURCES]) {
    const kinds = sources.map(({ kind }) => `${kind.group}/${kind.kind}`);
    expect(new Set(kinds).size).toBe(kinds.length);
  }
});
