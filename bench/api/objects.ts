import type { ConfigMap, Pod } from '@calico/api';

/** A pod as a Deployment's controller makes it; about 1.2 kB of JSON. */
export function benchPod(index: number): Pod {
  const app = `app-${index % 200}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${app}-5d4f8c7b9-${String(index).padStart(5, '0')}`,
      namespace: 'default',
      labels: {
        'app.kubernetes.io/name': app,
        'app.kubernetes.io/part-of': `team-${index % 20}`,
        tier: ['web', 'cache', 'database'][index % 3] ?? 'web',
        'pod-template-hash': '5d4f8c7b9',
      },
      annotations: {
        'cni.projectcalico.org/containerID': index.toString(16).padStart(64, '0'),
        'cni.projectcalico.org/podIP': `10.65.${index >> 8}.${index & 255}/32`,
      },
    },
    spec: {
      nodeName: `node-${index % 100}`,
      serviceAccountName: 'default',
      containers: [
        {
          name: 'server',
          image: `registry.example.com/shop/${app}:v1.2.${index % 10}`,
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
          env: [
            { name: 'PORT', value: '8080' },
            { name: 'UPSTREAM', value: `http://app-${(index + 1) % 200}.default.svc:8080` },
          ],
          resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
        },
      ],
    },
  };
}

/** An object of half a kilobyte that says when it was written, in ms of wall time. */
export function benchConfigMap(name: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { writtenAt: `at:${wallTime()};`, filler: 'x'.repeat(400) },
  } as unknown as ConfigMap;
}

/** Wall time in ms with its fractions, comparable between processes of one machine. */
export function wallTime(): number {
  return performance.timeOrigin + performance.now();
}
