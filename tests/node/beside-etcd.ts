import { afterAll, beforeAll } from 'bun:test';
import { fillThreadPool } from '@calico/kernel/linux';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { NodeHost } from './node-host.ts';

/** A node beside an etcd for a group of tests. To be called within `describeEtcd`. */
export function useNodeBesideEtcd(): { readonly server: EtcdServer; readonly host: NodeHost } {
  let server: EtcdServer;
  let host: NodeHost;
  beforeAll(async () => {
    await fillThreadPool();
    server = await EtcdServer.start();
    host = NodeHost.beside(server);
  });
  afterAll(async () => {
    host?.close();
    await server?.stop();
  });
  return {
    get server() {
      return server;
    },
    get host() {
      return host;
    },
  };
}
