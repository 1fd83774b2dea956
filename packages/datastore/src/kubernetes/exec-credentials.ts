import { execFile } from 'node:child_process';
import type { Clock } from '@calico/reconcile';
import { DatastoreError } from '../error.ts';
import type { Credential, CredentialSource } from './config.ts';

/** The exec section of a kubeconfig's user (client.authentication.k8s.io/v1). */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Told to the user when the command is missing. */
  readonly installHint: string | undefined;
  /** The cluster, for plugins that want to know (provideClusterInfo). */
  readonly cluster: Readonly<Record<string, unknown>> | undefined;
}

/** What a plugin can speak. */
export const execApiVersions: readonly string[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
];
const PLUGIN_TIMEOUT_MS = 60_000;
/** A credential is asked for anew this long before it ends. */
const EXPIRY_MARGIN_MS = 10_000;

function failure(plugin: ExecPlugin, reason: string, cause?: unknown): DatastoreError {
  const hint = plugin.installHint === undefined ? '' : `\n${plugin.installHint}`;
  return new DatastoreError({
    code: 'Unauthorized',
    op: 'get credentials from',
    resource: plugin.command,
    reason: reason + hint,
    cause,
  });
}

function run(plugin: ExecPlugin): Promise<string> {
  const info = {
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(plugin.cluster === undefined ? {} : { cluster: plugin.cluster }) },
  };
  const env = { ...process.env, ...plugin.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  return new Promise((resolve, reject) => {
    execFile(
      plugin.command,
      [...plugin.args],
      { env, timeout: PLUGIN_TIMEOUT_MS, maxBuffer: 2 ** 20 },
      (err, stdout, stderr) => {
        if (err === null) resolve(stdout);
        else reject(failure(plugin, stderr.trim() === '' ? err.message : stderr.trim(), err));
      },
    );
  });
}

function textField(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || !(name in value)) return undefined;
  const field: unknown = Reflect.get(value, name);
  return typeof field === 'string' && field !== '' ? field : undefined;
}

/** Reads what the plugin printed; `expiresAt` is wall time in ms. */
function parseAnswer(plugin: ExecPlugin, output: string): { credential: Credential; expiresAt: number } {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch (err) {
    throw failure(plugin, 'its output is no JSON', err);
  }
  if (textField(answer, 'kind') !== 'ExecCredential' || textField(answer, 'apiVersion') !== plugin.apiVersion) {
    throw failure(plugin, `its output is not an ExecCredential of ${plugin.apiVersion}`);
  }
  const status: unknown = Reflect.get(Object(answer), 'status');
  const token = textField(status, 'token');
  const cert = textField(status, 'clientCertificateData');
  const key = textField(status, 'clientKeyData');
  if (token === undefined && (cert === undefined || key === undefined)) {
    throw failure(plugin, 'its output has no status.token and no client certificate with key');
  }
  const expiry = textField(status, 'expirationTimestamp');
  return {
    credential: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(cert === undefined || key === undefined ? {} : { certificate: { cert, key } }),
    },
    expiresAt: expiry === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiry),
  };
}

/**
 * Credentials that a program gives (Kubernetes documentation, "client-go credential plugins"). Its answer is kept until it
 * expires or the server refuses it; calls at one time share one run. How long it lives is told by the wall clock when it comes, and
 * counted by the other one: a clock that is set meanwhile neither keeps an answer too long nor asks for one at every use.
 */
export function execCredentials(plugin: ExecPlugin, clock: Pick<Clock, 'now' | 'wallTime'>): CredentialSource {
  /** `renewAt` by `clock.now`. */
  let known: { credential: Credential; renewAt: number } | undefined;
  let running: Promise<Credential> | undefined;
  const renew = async (): Promise<Credential> => {
    try {
      const { credential, expiresAt } = parseAnswer(plugin, await run(plugin));
      known = { credential, renewAt: clock.now() + expiresAt - clock.wallTime() - EXPIRY_MARGIN_MS };
      return credential;
    } finally {
      running = undefined;
    }
  };
  return {
    get: () => {
      if (known !== undefined && clock.now() < known.renewAt) return known.credential;
      running ??= renew();
      return running;
    },
    refused: () => {
      known = undefined;
      return true;
    },
  };
}
