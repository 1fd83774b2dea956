import { afterAll, beforeAll, beforeEach } from 'bun:test';
import { type Datastore, openDatastore } from '../../packages/programs/src/datastore/open.ts';
import { EtcdServer } from './etcd-server.ts';

/** An etcd for a group of tests, with nothing of Calico in it when one begins. To be called within `describeEtcd`. */
export function useEtcd(): () => EtcdServer {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(async () => await server.stop());
  beforeEach(async () => await server.empty());
  return () => server;
}

/** The datastore in an etcd, as programs open it. */
export function openEtcd({ url }: EtcdServer): Promise<Datastore> {
  return openDatastore({ etcdEndpoints: url }, { env: {} });
}
