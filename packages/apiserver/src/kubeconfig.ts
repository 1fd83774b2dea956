import { chmodSync, writeFileSync } from 'node:fs';

/** Where a kubeconfig points and whose token it carries. */
export interface KubeconfigOptions {
  /** `https://host:port`. */
  readonly server: string;
  /** PEM text of the authority that signed the server's certificate. */
  readonly ca: string;
  readonly token: string;
  /** Name of cluster, context and user; `calico` unless told. */
  readonly name?: string;
  readonly namespace?: string;
}

/** The text of a kubeconfig file (JSON, which is YAML). */
export function printKubeconfig(options: KubeconfigOptions): string {
  const name = options.name ?? 'calico';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [
      {
        name,
        cluster: {
          server: options.server,
          'certificate-authority-data': Buffer.from(options.ca).toString('base64'),
        },
      },
    ],
    users: [{ name, user: { token: options.token } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: options.namespace ?? 'default' } }],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Writes a kubeconfig file that only its owner can read (0600, also when the file existed). */
export function writeKubeconfig(path: string, options: KubeconfigOptions): void {
  writeFileSync(path, '', { mode: 0o600 });
  chmodSync(path, 0o600);
  writeFileSync(path, printKubeconfig(options));
}
