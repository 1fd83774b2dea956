// Checks that imports flow one way: programs → systems → edges → values, and sideways only where the table says so.
// With --graph it prints the drawing that docs/ARCHITECTURE.md holds.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Glob } from 'bun';

const root = join(import.meta.dir, '..');

/** The layers, lowest first. A package may import any package of a lower layer. */
const layers = {
  values: ['ip', 'selector', 'api', 'reconcile'],
  edges: ['kernel', 'datastore', 'bird', 'process'],
  systems: ['policy', 'calc', 'dataplane', 'ipam', 'cni', 'bgp', 'node', 'apiserver', 'controllers', 'lab', 'simulate'],
  programs: ['programs'],
} as const;

/** What a package may import of its own layer. */
const sideways: Record<string, readonly string[]> = {
  api: ['ip', 'selector'],
  calc: ['policy'],
  dataplane: ['policy', 'calc'],
  cni: ['ipam'],
  controllers: ['ipam', 'node'],
  node: ['ipam'],
  lab: ['apiserver', 'calc', 'policy'],
  simulate: ['policy', 'calc', 'dataplane'],
};

/** Pure packages: they see values and each other, never an edge. */
const pure = new Set(['ip', 'selector', 'api', 'reconcile', 'policy', 'calc', 'bgp']);

/** Forms of an edge that only programs, tests and their own package open. */
const realForms = ['@calico/kernel/linux', '@calico/datastore/kubernetes', '@calico/datastore/etcd'];

const layerOf = new Map<string, string>(
  Object.entries(layers).flatMap(([layer, names]) => names.map(name => [name, layer] as const)),
);
const order = Object.keys(layers);
const problems: string[] = [];
const edges = new Map<string, Set<string>>();
const fileImports = new Map<string, string[]>();

for await (const path of new Glob('packages/*/**/*.ts').scan({ cwd: root })) {
  if (path.includes('node_modules')) continue;
  const owner = path.split('/')[1] ?? '';
  const isTest = /\.(test|contract)\.ts$|\/(contract|testing|bench)[^/]*\.ts$/.test(path);
  const text = readFileSync(join(root, path), 'utf8');
  // Types are gone when the program runs: they make no circle.
  const atRun = importsOf(text.replace(/^\s*(?:import|export)\s+type\b[^;]*;/gm, ''));
  fileImports.set(
    path,
    atRun.filter(specifier => specifier.startsWith('.')).map(specifier => resolve(path, specifier)),
  );
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('@calico/')) checkPackage(path, owner, specifier, isTest);
    else if (specifier.startsWith('.')) checkRelative(path, owner, specifier);
  }
}
findFileCycles();

if (process.argv.includes('--graph')) {
  for (const [from, to] of [...edges].sort()) console.log(`  ${from} --> ${[...to].sort().join(' & ')}`);
}
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);

function importsOf(text: string): string[] {
  const statements = text.matchAll(
    /^\s*(?:import|export)\b[^'"`;]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...statements].map(m => m[1] ?? m[2] ?? m[3] ?? '');
}

function checkRelative(path: string, owner: string, specifier: string): void {
  const target = resolve(path, specifier);
  if (!target.startsWith(`packages/${owner}/`)) {
    problems.push(`${path}: import '${specifier}' leaves the package; import '@calico/…' by its public names instead`);
  }
}

function resolve(path: string, specifier: string): string {
  return relative(root, join(root, dirname(path), specifier));
}

function checkPackage(path: string, owner: string, specifier: string, isTest: boolean): void {
  const target = specifier.split('/')[1] ?? '';
  if (target === owner || isTest) return;
  edges.set(owner, (edges.get(owner) ?? new Set()).add(target));
  const from = layerOf.get(owner);
  const to = layerOf.get(target);
  if (from === undefined || to === undefined) {
    problems.push(`${path}: '${from === undefined ? owner : target}' is in no layer; add it to tools/check-imports.ts`);
    return;
  }
  const down = order.indexOf(to) < order.indexOf(from);
  if (!down && !sideways[owner]?.includes(target)) {
    problems.push(
      `${path}: ${owner} (${from}) imports ${target} (${to}); imports flow down: ${[...order].reverse().join(' → ')}`,
    );
  }
  if (pure.has(owner) && !pure.has(target)) {
    problems.push(`${path}: ${owner} is pure and imports ${target}, which is not; pass the value in instead`);
  }
  if (realForms.includes(specifier) && from !== 'programs' && owner !== 'lab') {
    problems.push(`${path}: '${specifier}' is opened by programs and tests only; take the interface as an argument`);
  }
}

/** Files of one package that import each other in a circle. */
function findFileCycles(): void {
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      problems.push(`circle of imports: ${[...trail.slice(at), file].join(' → ')}`);
      return;
    }
    if (done.has(file)) return;
    done.add(file);
    for (const next of fileImports.get(file) ?? []) visit(next, [...trail, file]);
  };
  for (const file of fileImports.keys()) visit(file, []);
}
