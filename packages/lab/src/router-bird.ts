import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from '@calico/kernel';
import { inNamespace } from '@calico/kernel/linux';
import { type LabPlan, withoutLength } from './plan.ts';

/** BIRD's configuration on the top-of-rack router: it reflects the routes of each node to all others. */
export function routerBirdConfig(plan: LabPlan): string {
  const id = plan.api.address;
  const sessions = plan.nodes.map(
    node => `protocol bgp ${node.name} {
  local ${node.gateway} as ${plan.asNumber};
  neighbor ${withoutLength(node.address)} as ${plan.asNumber};
  rr client;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 5;
  ipv4 { import all; export where source = RTS_BGP; };
}`,
  );
  return [
    `router id ${id};`,
    'protocol device {}',
    'protocol kernel { ipv4 { import none; export all; }; }',
    ...sessions,
    '',
  ].join('\n');
}

/** Starts BIRD in the router's namespace; it ends with the lab. */
export function startRouterBird(namespace: Namespace, plan: LabPlan, runFolder: string): void {
  const folder = join(runFolder, 'router');
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'bird.conf');
  writeFileSync(config, routerBirdConfig(plan));
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  inNamespace(namespace, () => {
    Bun.spawn(['bird', '-f', '-c', config, '-s', join(folder, 'bird.ctl')], {
      env,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
  });
}
