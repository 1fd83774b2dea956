import { afterAll, beforeAll } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { datastoreContract } from '@calico/datastore/contract';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { describeEtcd } from './describe-etcd.ts';
import { EtcdServer } from './etcd-server.ts';

describeEtcd('etcdClient keeps the contract on a real etcd:', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(async () => await server.stop());

  datastoreContract(
    async () => {
      await server.empty();
      // Small pages, so that every list of the suite takes several.
      const client = etcdClient({ endpoints: [server.url] }, { pageSize: 4 });
      return { client, compact: () => compactAll(client), close: () => client.close() };
    },
    { kubernetesKinds: false },
  );
});

/** Forgets everything up to now. */
async function compactAll(client: EtcdClient): Promise<void> {
  const { resourceVersion } = await client.list(GlobalNetworkSet);
  await client.compact(resourceVersion);
}
