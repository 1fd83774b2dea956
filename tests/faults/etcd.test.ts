import { GlobalNetworkSet } from '@calico/api';
import { type EtcdClient, etcdClient } from '@calico/datastore/etcd';
import { describeEtcd } from '../etcd/describe-etcd.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { datastoreFaults, type FaultServer } from './datastore-faults.ts';

async function start(): Promise<FaultServer> {
  const server = await EtcdServer.start();
  const opened: EtcdClient[] = [];
  const open = (port: number, options = {}): EtcdClient => {
    const client = etcdClient({ endpoints: [`http://127.0.0.1:${port}`] }, { watchProgressMs: 200, ...options });
    opened.push(client);
    return client;
  };
  return {
    port: server.port,
    client: open,
    restart: async how => {
      if (how === 'kill') await server.kill();
      else await server.terminate();
      await server.run();
    },
    compact: async () => {
      const client = open(server.port);
      const { resourceVersion } = await client.list(GlobalNetworkSet);
      await client.compact(resourceVersion);
    },
    stop: async () => {
      for (const client of opened) client.close();
      await server.stop();
    },
  };
}

describeEtcd('etcdClient on a real etcd:', () => datastoreFaults(start));
