import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const MODULE = import.meta.dir;
const CACHE = join(MODULE, '..', '..', 'node_modules', '.cache', 'runtimes');

/** For the first build, which asks the module proxy; ms. */
export const BUILD_MS = 300_000;

/** Builds cnitool, the CNI project's own caller of plugins, once; gives its path. */
export async function buildCnitool(): Promise<string> {
  const program = join(CACHE, 'cnitool');
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const building = `${program}.${process.pid}`;
  await go(['build', '-trimpath', '-o', building, 'github.com/containernetworking/cni/cnitool']);
  await Bun.$`mv ${building} ${program}`.quiet();
  return program;
}

/** The folder of the runtime interface's Go module, where `pkg/apis/runtime/v1/api.proto` is. */
export async function criModule(): Promise<string> {
  await go(['mod', 'download', 'k8s.io/cri-api']);
  return (await go(['list', '-m', '-f', '{{.Dir}}', 'k8s.io/cri-api'])).trim();
}

async function go(args: readonly string[]): Promise<string> {
  const child = Bun.spawn(['go', ...args], {
    cwd: MODULE,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [code, out, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`go ${args.join(' ')} ended with ${code}: ${errors.slice(-2000)}`);
  return out;
}
