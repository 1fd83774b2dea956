/** What the CNI plugin's kubeconfig says. */
export interface CniKubeconfig {
  /** Such as `https://10.96.0.1:443`. */
  readonly server: string;
  /** The certificates to trust, in PEM; undefined: any. */
  readonly ca: string | undefined;
  readonly token: string;
}

/** The text of the CNI plugin's kubeconfig, with Calico's names in it. Holds a secret. */
export function printCniKubeconfig({ server, ca, token }: CniKubeconfig): string {
  const trust =
    ca === undefined
      ? 'insecure-skip-tls-verify: true'
      : `certificate-authority-data: ${Buffer.from(ca).toString('base64')}`;
  // A JSON string is one of YAML too.
  return `# Kubeconfig of Calico's CNI plugin. The node agent keeps its token fresh; changes are overwritten.
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: ${JSON.stringify(server)}
    ${trust}
users:
- name: calico
  user:
    token: ${JSON.stringify(token)}
contexts:
- name: calico-context
  context:
    cluster: local
    user: calico
current-context: calico-context
`;
}

/** The API server as the environment of a pod names it; undefined outside of one. */
export function serverOfPod(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const host = env.KUBERNETES_SERVICE_HOST;
  if (!host) return undefined;
  const name = host.includes(':') ? `[${host}]` : host;
  return `${env.KUBERNETES_SERVICE_PROTOCOL || 'https'}://${name}:${env.KUBERNETES_SERVICE_PORT || '443'}`;
}
