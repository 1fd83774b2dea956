import { describe } from 'bun:test';
import { crdFolder } from '../kubernetes/crds.ts';
import { BUILD_MS, missingForKubernetes } from '../kubernetes/server.ts';
import { addressStories } from './addresses.ts';
import { kubernetesCluster } from './cluster.ts';

const missing = missingForKubernetes() ?? (crdFolder() === undefined ? 'needs manifests/crds' : undefined);

describe.skipIf(missing !== undefined)(
  `kube-controllers on a real kube-apiserver${missing === undefined ? '' : ` (skipped: ${missing})`}:`,
  () => addressStories(kubernetesCluster, BUILD_MS),
);
