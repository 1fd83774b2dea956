import { afterAll, beforeAll, describe, test } from 'bun:test';
import { GlobalNetworkSet } from '@calico/api';
import { datastoreContract } from '@calico/datastore/contract';
import { type CalicoApiGroup, calicoClient } from '@calico/datastore/kubernetes';
import { crdFolder, createCrds, readCrds } from './crds.ts';
import { emptyStore } from './empty-store.ts';
import { BUILD_MS, type KubernetesServer, missingForKubernetes, startKubernetes } from './server.ts';

const folder = crdFolder();
const missing = missingForKubernetes() ?? (folder === undefined ? 'needs manifests/crds' : undefined);

if (missing !== undefined || folder === undefined) {
  test.skip(`the datastore contract on a real kube-apiserver (${missing})`, () => {});
} else {
  describe('on a real kube-apiserver', () => {
    let server: KubernetesServer;
    beforeAll(async () => {
      server = await startKubernetes();
      for (const group of ['projectcalico.org', 'crd.projectcalico.org']) {
        await createCrds(server, readCrds(folder, group));
      }
    }, BUILD_MS);
    afterAll(() => server.stop());

    const groups: CalicoApiGroup[] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'];
    for (const apiGroup of groups) {
      describe(`calicoClient keeps the contract under ${apiGroup}:`, () => {
        datastoreContract(async () => {
          // Small pages, so that every list of the suite takes several.
          const client = calicoClient(server.config, { apiGroup, pageSize: 4 });
          return {
            client,
            // Without its history etcd is not enough: the server has kept the last changes itself.
            compact: async () => {
              await server.etcd.compact();
              await server.restart('stop');
              // It answers for CustomResources a moment later; lists wait for that, watches do not.
              await client.list(GlobalNetworkSet);
            },
            close: () => emptyStore(server, client),
          };
        });
      });
    }
  });
}
