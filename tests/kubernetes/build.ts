import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where go.mod is. */
const MODULE = import.meta.dir;
const CACHE = join(MODULE, '..', '..', 'node_modules', '.cache', 'kubernetes');
const PROGRAMS = ['kube-apiserver', 'kubectl'] as const;

/** The paths of the programs built from this folder's Go module. */
export interface KubernetesPrograms {
  readonly apiServer: string;
  readonly kubectl: string;
}

/** The version of Kubernetes that go.mod requires, such as `v1.34.4`. */
export function kubernetesVersion(): string {
  const version = /^(?:require)?\s*k8s\.io\/kubernetes (v\S+)/m.exec(readFileSync(join(MODULE, 'go.mod'), 'utf8'))?.[1];
  if (version === undefined) throw new Error('Cannot build Kubernetes: go.mod requires no k8s.io/kubernetes');
  return version;
}

/**
 * Builds kube-apiserver and kubectl with plain `go build`, once per content of go.mod and go.sum: three to four minutes on two
 * cores, nothing when they are in the cache folder. Tells `progress` what it does. Throws with the compiler's words.
 */
export async function buildKubernetes(progress: (line: string) => void): Promise<KubernetesPrograms> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(MODULE, file)));
  const folder = join(CACHE, hash.digest('hex').slice(0, 16));
  const programs = { apiServer: join(folder, 'kube-apiserver'), kubectl: join(folder, 'kubectl') };
  if (existsSync(folder)) return programs;
  mkdirSync(CACHE, { recursive: true });
  const scratch = mkdtempSync(join(CACHE, 'building-'));
  try {
    for (const program of PROGRAMS) await build(program, scratch, progress);
    // Complete or not there at all; another build of the same may have been quicker.
    if (existsSync(folder)) rmSync(scratch, { recursive: true });
    else renameSync(scratch, folder);
  } catch (err) {
    rmSync(scratch, { recursive: true, force: true });
    throw err;
  }
  return programs;
}

/** Builds one program. Go's caches keep what is done, so an interrupted build goes on where it was. */
async function build(program: string, folder: string, progress: (line: string) => void): Promise<void> {
  const started = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - started) / 1000)} s`;
  progress(`building ${program} ${kubernetesVersion()}`);
  const versionFlag = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion()}`;
  const child = Bun.spawn(
    [
      'nice',
      '-n',
      '10',
      'go',
      'build',
      '-trimpath',
      '-ldflags',
      versionFlag,
      '-o',
      folder,
      `k8s.io/kubernetes/cmd/${program}`,
    ],
    {
      cwd: MODULE,
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'inherit', 'pipe'],
    },
  );
  const ticker = setInterval(() => progress(`building ${program}: ${seconds()}`), 30_000);
  const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  clearInterval(ticker);
  if (code !== 0) throw new Error(`Cannot build ${program}: go build ended with ${code}: ${errors.slice(-2000)}`);
  progress(`built ${program} in ${seconds()}`);
}

if (import.meta.main) {
  const { apiServer, kubectl } = await buildKubernetes(line => console.error(line));
  console.log(`${apiServer}\n${kubectl}`);
}
