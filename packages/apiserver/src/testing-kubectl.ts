/** The real kubectl against a test server over TLS. */
import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificates } from './certificates.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { ApiServerOptions } from './server.ts';
import { startTestServer, TEST_TOKEN, type TestServer } from './testing.ts';

const kubectlPath = Bun.which('kubectl');
if (kubectlPath === null) test.skip('kubectl scenarios: no kubectl on PATH', () => undefined);

/** `test` where there is a kubectl, a skipped one elsewhere. */
export const kubectlTest = test.skipIf(kubectlPath === null);

/** A server with a kubectl that is configured for it. */
export interface KubectlServer {
  readonly t: TestServer;
  /** A folder of the test's own, removed at the end. */
  readonly folder: string;
  /** Runs kubectl with the words of a command ('…' keeps words together); gives what it printed. `code` is 0 unless told. */
  kubectl(command: string, stdin?: string, code?: number, env?: Record<string, string>): Promise<string>;
  spawn(args: readonly string[], stdin?: string, env?: Record<string, string>): ReturnType<typeof spawnKubectl>;
  /** A request past kubectl; the body is sent as a merge patch. */
  call(method: string, path: string, body?: unknown): Promise<{ body: unknown }>;
  stop(): Promise<void>;
}

function spawnKubectl(args: readonly string[], stdin: string, env: Record<string, string | undefined>) {
  return Bun.spawn([kubectlPath ?? 'kubectl', ...args], {
    env,
    stdin: new Blob([stdin]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
}

/** Starts a server on a free port of localhost; `stop` also checks that it logged no error. */
export async function startKubectlServer(options: Partial<ApiServerOptions> = {}): Promise<KubectlServer> {
  const folder = mkdtempSync(join(tmpdir(), 'calico-kubectl-'));
  const kubeconfig = join(folder, 'config');
  const { ca, cert, key } = createCertificates({ hosts: ['localhost', '127.0.0.1'], now: Date.now() });
  const t = await startTestServer({ tls: { cert, key }, listen: [{ host: 'localhost', port: 0 }], ...options });
  const url = t.server.urls[0] ?? '';
  writeKubeconfig(kubeconfig, { server: url, ca, token: TEST_TOKEN });
  const environment = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder };
  const spawn = (args: readonly string[], stdin = '', env: Record<string, string> = {}) =>
    spawnKubectl(args, stdin, { ...environment, ...env });
  return {
    t,
    folder,
    spawn,
    kubectl: async (command, stdin = '', code = 0, env = {}) => {
      const words = command.match(/'[^']*'|\S+/g)?.map(word => word.replaceAll("'", '')) ?? [];
      const child = spawn(words, stdin, env);
      const [out, err, exit] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect({ command, exit, err: exit === code ? '' : err }).toEqual({ command, exit: code, err: '' });
      return out + err;
    },
    call: async (method, path, body) => {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-type': 'application/merge-patch+json' },
        tls: { ca },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { body: await response.json() };
    },
    stop: async () => {
      expect(t.log.errors).toEqual([]);
      await t.server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A table without its spacing. */
export const table = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .map(line => line.trim().replace(/\s{2,}/g, ' | '));
