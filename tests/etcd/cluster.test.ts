import { afterEach, beforeEach, expect, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';
import { networkSet, setNames, take, untilEnd } from './objects.ts';

describeEtcd('etcdClient on a cluster of three', () => {
  let servers: EtcdServer[] = [];
  let client: EtcdClient;
  let stop: AbortController;
  beforeEach(async () => {
    servers = await EtcdServer.startCluster(3);
    client = etcdClient({ endpoints: servers.map(({ url }) => url) }, { random: { next: () => 0 } });
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    client.close();
    await Promise.all(servers.map(server => server.stop()));
  });

  const watch = (resourceVersion: string) => client.watch(GlobalNetworkSet, { resourceVersion, signal: stop.signal });

  test('the member in use dies: reads, writes and the next watch go on with another', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const stream = watch(resourceVersion);
    await client.create(GlobalNetworkSet, networkSet('a'));
    expect(await take(stream, 1)).toEqual(['ADDED a']);
    await servers[0]?.kill();
    expect((await untilEnd(stream)).end).toBe('Unavailable');
    // A write that comes before the others have a leader is held up by etcd for seconds.
    await servers[1]?.healthy();
    await client.create(GlobalNetworkSet, networkSet('b'));
    expect(await setNames(client)).toEqual(['a', 'b']);
    expect(await take(watch(resourceVersion), 2)).toEqual(['ADDED a', 'ADDED b']);
  });

  test('a member without a leader ends the watch instead of showing an old view', async () => {
    const { resourceVersion } = await client.list(GlobalNetworkSet);
    const stream = watch(resourceVersion);
    await stream.next();
    await Promise.all([servers[1]?.kill(), servers[2]?.kill()]);
    expect((await untilEnd(stream)).end).toBe('Unavailable');
  });
});
