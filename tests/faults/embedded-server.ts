import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificates, printKubeconfig } from '@calico/apiserver';
import { calicoClient, tokenCredentials } from '@calico/datastore/kubernetes';
import { freePort } from '../kubernetes/free-port.ts';
import type { FaultServer } from './datastore-faults.ts';
import type { EmbeddedTask } from './embedded-process.ts';

/** The process, and how to talk with it: it echoes every word when it has done it. */
interface Running {
  say(word: string): Promise<void>;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** The embedded API server in a process of its own. */
export interface EmbeddedServer extends FaultServer {
  /** The text of a kubeconfig for it. */
  readonly kubeconfig: string;
  /** Has the process stand still, or go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

/** Starts the embedded API server as a process of its own, over TLS, with a durable store. */
export async function startEmbedded(): Promise<EmbeddedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'calico-embedded-'));
  const { ca, cert, key } = createCertificates({ hosts: ['127.0.0.1'], now: Date.now() });
  const task: EmbeddedTask = {
    storePath: join(folder, 'store.sqlite'),
    port: await freePort(),
    token: crypto.randomUUID(),
    cert: join(folder, 'server.crt'),
    key: join(folder, 'server.key'),
  };
  writeFileSync(task.cert, cert);
  writeFileSync(task.key, key, { mode: 0o600 });
  let running = await run(task);
  return {
    port: task.port,
    kubeconfig: printKubeconfig({ server: `https://127.0.0.1:${task.port}`, ca, token: task.token }),
    signal: signal => running.signal(signal),
    client: (port, options = {}) =>
      calicoClient(
        { server: `https://127.0.0.1:${port}`, ca, credentials: tokenCredentials(task.token) },
        { apiGroup: 'projectcalico.org/v3', ...options },
      ),
    restart: async how => {
      await running.end(how === 'stop' ? 'SIGTERM' : 'SIGKILL');
      running = await run(task);
    },
    compact: () => running.say('compact'),
    stop: async () => {
      await running.end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the process; resolves when it serves. */
async function run(task: EmbeddedTask): Promise<Running> {
  const waiting = new Map<string, () => void>();
  const heard = (word: string): Promise<void> => new Promise(resolve => waiting.set(word, resolve));
  const ready = heard('ready');
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'embedded-process.ts'), JSON.stringify(task)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc: word => waiting.get(String(word))?.(),
  });
  const killAtExit = (): void => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const ended = child.exited.then(code => {
    process.off('exit', killAtExit);
    throw new Error(`Cannot go on: the embedded API server ended with ${code ?? child.signalCode}`);
  });
  ended.catch(() => undefined);
  await Promise.race([ready, ended]);
  return {
    say: async word => {
      const answered = heard(word);
      child.send(word);
      await Promise.race([answered, ended]);
    },
    end: async signal => {
      child.kill(signal);
      await child.exited;
    },
    signal: signal => child.kill(signal),
  };
}
