import { describe, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { type CalicoApiGroup, calicoClient } from '@calico/datastore/kubernetes';
import { crdFolder, createCrds, readCrds } from '../kubernetes/crds.ts';
import { BUILD_MS, missingForKubernetes, startKubernetes } from '../kubernetes/server.ts';
import { datastoreFaults, type FaultServer } from './datastore-faults.ts';

const folder = crdFolder();
const missing = missingForKubernetes() ?? (folder === undefined ? 'needs manifests/crds' : undefined);

async function start(crds: string, apiGroup: CalicoApiGroup): Promise<FaultServer> {
  const server = await startKubernetes();
  await createCrds(server, readCrds(crds, apiGroup.split('/')[0] ?? ''));
  const client: FaultServer['client'] = (port, options = {}) =>
    calicoClient({ ...server.config, server: `https://127.0.0.1:${port}` }, { apiGroup, ...options });
  return {
    port: server.port,
    client,
    restart: server.restart,
    // Without its history etcd is not enough: the server has kept the last changes itself.
    compact: async () => {
      await server.etcd.compact();
      await server.restart('stop');
      // It answers for CustomResources a moment later; lists wait for that, watches do not.
      await client(server.port).list(GlobalNetworkSet);
    },
    stop: server.stop,
  };
}

const groups: CalicoApiGroup[] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'];
for (const group of groups) {
  if (missing !== undefined || folder === undefined) {
    test.skip(`faults of a real kube-apiserver with ${group} (${missing})`, () => {});
  } else {
    describe(`calicoClient on a real kube-apiserver with ${group}:`, () =>
      datastoreFaults(() => start(folder, group), BUILD_MS));
  }
}
