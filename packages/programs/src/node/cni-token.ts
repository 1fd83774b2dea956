import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { inClusterConfig, type KubernetesConfig, requestServiceAccountToken } from '@calico/datastore/kubernetes';
import {
  durationOf,
  type FreshToken,
  keepTokenFresh,
  NodeError,
  printCniKubeconfig,
  replaceFile,
  serverOfPod,
  type TokenState,
} from '@calico/node';
import {
  type Component,
  createLogger,
  Lifecycle,
  type Logger,
  runUntilSignal,
  systemClock,
  systemRandom,
} from '@calico/process';
import type { Environment } from '../datastore/config.ts';

/** Where Kubernetes mounts a pod's own service account. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Where the plugin's kubeconfig is, as containers see the host. */
const kubeconfigPath = '/host/etc/cni/net.d/calico-kubeconfig';

/** How long a token of the plugin is to hold, in s: a day, as Calico's. */
const tokenSeconds = 86_400;

/** The service account that we run with, and what it may do for the plugin. */
export interface PodAccount {
  readonly config: KubernetesConfig;
  /** Our own token, as it is now. */
  token(): string;
  readonly ca: string;
  /** Has a token made for the plugin's own account. */
  requestToken(): Promise<FreshToken>;
}

/** The account of the pod that we run in; undefined outside of one. `folder` is where it is mounted. */
export function podAccount(env: Environment, folder = serviceAccountFolder): PodAccount | undefined {
  const config = inClusterConfig(env, folder);
  if (config === undefined) return undefined;
  const { ca = '', namespace } = config;
  const account = {
    namespace: namespace ?? 'kube-system',
    name: env.CALICO_CNI_SERVICE_ACCOUNT || 'calico-cni-plugin',
  };
  return {
    config,
    token: () => readFileSync(join(folder, 'token'), 'utf8').trim(),
    ca: typeof ca === 'string' ? ca : ca(),
    requestToken: () => requestServiceAccountToken(config, account, { seconds: tokenSeconds, clock: systemClock }),
  };
}

/** What keeping the plugin's kubeconfig fresh is told beside the environment; each for tests. */
export interface CniTokenOptions {
  readonly folder?: string;
  readonly path?: string;
  onState?(state: TokenState): void;
}

/**
 * Keeps the token in the CNI plugin's kubeconfig fresh, where we run in a pod and its folder is mounted. Undefined where there
 * is nothing to keep.
 */
export function cniTokenService(env: Environment, log: Logger, options: CniTokenOptions = {}): Component | undefined {
  const { folder = serviceAccountFolder, path = kubeconfigPath, onState } = options;
  const server = serverOfPod(env);
  const folderOfPath = join(path, '..');
  if (server === undefined || podAccount(env, folder) === undefined || !isFolder(folderOfPath)) return undefined;
  const interval = durationOf(env, 'CNI_TOKEN_REFRESH_INTERVAL', 0);
  const stop = new AbortController();
  let done: Promise<void> | undefined;
  // Read anew each time: Kubernetes renews token and CA.
  const account = (): PodAccount => {
    const found = podAccount(env, folder);
    if (found === undefined) throw new Error(`Cannot renew the token of the CNI plugin: there is none in ${folder}`);
    return found;
  };
  return {
    name: 'CNI token',
    start() {
      done = keepTokenFresh(
        {
          clock: systemClock,
          random: systemRandom,
          ...(interval === 0 ? {} : { intervalMs: interval }),
          request: async () => await account().requestToken(),
          apply: token => {
            const ca = env.SKIP_TLS_VERIFY === 'true' ? undefined : account().ca;
            replaceFile(path, printCniKubeconfig({ server, ca, token }), 0o600);
            log.info({ path }, "Renewed the token in the CNI plugin's kubeconfig");
          },
          ownToken: () => ownToken(folder),
          onState(state) {
            if (state.error !== undefined) {
              const holdsMinutes = state.holdsMs === undefined ? undefined : Math.round(state.holdsMs / 60_000);
              log.warn({ err: state.error, holdsMinutes }, 'The token of the CNI plugin could not be renewed');
            }
            onState?.(state);
          },
        },
        stop.signal,
      );
    },
    async stop() {
      stop.abort(new Error('the program ends'));
      await done;
    },
  };
}

/** Changes with the token; a file that is just being replaced counts as the same. */
function ownToken(folder: string): string {
  try {
    const { ino, mtimeMs } = statSync(join(folder, 'token'));
    return `${ino}/${mtimeMs}`;
  } catch {
    return '';
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** `calico component node monitor-token`, until it is told to end. */
export async function runMonitorToken(env: Environment): Promise<number> {
  const log = createLogger({ component: 'cni-config-monitor' });
  const service = cniTokenService(env, log);
  if (service === undefined) {
    throw new NodeError(
      `Cannot keep the token of the CNI plugin fresh: needs a pod with a service account (${serviceAccountFolder}) and the host's folder of network configurations mounted at /host/etc/cni/net.d; outside of Kubernetes set CALICO_MANAGE_CNI=false`,
    );
  }
  await runUntilSignal(new Lifecycle({ components: [service], clock: systemClock, log }));
  return 0;
}
