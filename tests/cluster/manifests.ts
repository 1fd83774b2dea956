/** A pod of the namespace `default` on node1, as the API has it once it runs. */
export function podOf(name: string, ips: readonly string[], annotations: Readonly<Record<string, string>>) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name }, annotations },
    spec: { nodeName: 'node1', containers: [{ name: 'c' }] },
    status: { phase: 'Running', podIP: ips[0], podIPs: ips.map(ip => ({ ip })) },
  };
}

/** Lets nothing in to the pod `isolated`. */
export const isolated = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'isolated', namespace: 'default' },
  spec: { podSelector: { matchLabels: { app: 'isolated' } }, policyTypes: ['Ingress'] },
};
