import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubernetesConfig, tokenCredentials } from '@calico/datastore/kubernetes';
import { buildKubernetes } from './build.ts';
import { type ChildProgram, startChild } from './child.ts';
import { type Etcd, startEtcd } from './etcd.ts';
import { freePort } from './free-port.ts';

/** For the start of a server, which builds Kubernetes when nobody has yet; ms. */
export const BUILD_MS = 1_800_000;

/** A real kube-apiserver with its etcd, both on loopback, which lets every bearer of its token do everything. */
export interface KubernetesServer {
  readonly url: string;
  readonly port: number;
  /** The process of the API server; another one after a restart. */
  readonly pid: number;
  readonly token: string;
  /** The certificate to trust, in PEM. */
  readonly ca: string;
  readonly config: KubernetesConfig;
  readonly kubectl: string;
  readonly etcd: Etcd;
  /** A folder of its own that goes with it. */
  readonly folder: string;
  /** Asks the API server as its administrator. */
  request(method: string, path: string, body?: object): Promise<Response>;
  /** Resolves once `condition` gives true; throws after a minute. */
  until(condition: () => Promise<boolean>): Promise<void>;
  /** Ends the API server, `kill` without a word, and starts it anew on the same port and data. */
  restart(how: 'stop' | 'kill'): Promise<void>;
  /** Ends both and removes the folder. */
  stop(): Promise<void>;
}

/** Why there can be no real server here; undefined where there can. */
export function missingForKubernetes(): string | undefined {
  const missing = ['go', 'etcd'].filter(program => Bun.which(program) === null);
  return missing.length === 0 ? undefined : `needs ${missing.join(' and ')}`;
}

/** How a server is started otherwise than usual. */
export interface KubernetesOptions {
  /** Others than its administrator may do what roles allow them, and every request is noted in `audit.log` of its folder. */
  readonly rbac?: boolean;
}

/** Builds the programs when they are not built yet, and starts them; takes a few seconds then. */
export async function startKubernetes({ rbac = false }: KubernetesOptions = {}): Promise<KubernetesServer> {
  const programs = await buildKubernetes(line => console.error(line));
  const folder = mkdtempSync(join(tmpdir(), 'calico-kubernetes-'));
  const running: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    for (const part of running.reverse()) await part.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const etcd = await startEtcd(join(folder, 'etcd'));
    running.push(etcd);
    const token = randomBytes(16).toString('hex');
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const args = [...apiServerArguments(folder, token, port, etcd.url), ...accessArguments(folder, rbac)];
    let apiServer = await startApiServer(programs.apiServer, args, url, token);
    running.push({ stop: () => apiServer.stop() });
    const ca = readFileSync(join(folder, 'certificates', 'apiserver.crt'), 'utf8');
    return {
      url,
      port,
      get pid() {
        return apiServer.pid;
      },
      token,
      ca,
      config: { server: url, ca, credentials: tokenCredentials(token) },
      kubectl: programs.kubectl,
      etcd,
      folder,
      request: (method, path, body) =>
        fetch(url + path, {
          method,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          tls: { ca },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      until: async condition => {
        for (let tries = 0; tries < 1200; tries++) {
          if (await condition()) return;
          await Bun.sleep(50);
        }
        throw new Error('Cannot wait any longer: the condition did not hold for a minute');
      },
      restart: async how => {
        await apiServer[how]();
        apiServer = await startApiServer(programs.apiServer, args, url, token);
      },
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}

/** What kube-apiserver is told. Its keys and tokens are made here and live as long as the folder. */
function apiServerArguments(folder: string, token: string, port: number, etcd: string): string[] {
  const tokens = join(folder, 'tokens.csv');
  writeFileSync(tokens, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  const certificates = join(folder, 'certificates');
  mkdirSync(certificates);
  const accountKey = join(folder, 'service-accounts.pem');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(accountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  return [
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    `--secure-port=${port}`,
    `--cert-dir=${certificates}`,
    `--token-auth-file=${tokens}`,
    `--service-account-key-file=${accountKey}`,
    `--service-account-signing-key-file=${accountKey}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--service-cluster-ip-range=10.96.0.0/16',
    // Nobody makes the service accounts that pods would be given.
    '--disable-admission-plugins=ServiceAccount',
    '--profiling=false',
  ];
}

function accessArguments(folder: string, rbac: boolean): string[] {
  if (!rbac) return ['--authorization-mode=AlwaysAllow'];
  const policy = join(folder, 'audit-policy.json');
  const rules = [{ level: 'Metadata', omitStages: ['RequestReceived', 'ResponseStarted'] }];
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return [
    '--authorization-mode=RBAC',
    `--audit-policy-file=${policy}`,
    `--audit-log-path=${join(folder, 'audit.log')}`,
    '--audit-log-mode=blocking',
  ];
}

async function startApiServer(
  program: string,
  args: readonly string[],
  url: string,
  token: string,
): Promise<ChildProgram> {
  const child = startChild(program, args);
  // Only whether it is there; the certificate is checked by those who use it.
  const init = { headers: { authorization: `Bearer ${token}` }, tls: { rejectUnauthorized: false } };
  try {
    await child.ready(async () => (await fetch(`${url}/readyz`, init)).ok);
  } catch (err) {
    await child.kill();
    throw err;
  }
  return child;
}
