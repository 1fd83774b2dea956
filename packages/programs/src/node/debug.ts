import { join } from 'node:path';
import type { KindStatus } from '@calico/datastore';
import { type Component, type HealthAggregator, socketServer, systemClock } from '@calico/process';
import { agentTables } from '../debug/agent-tables.ts';
import { debugSocket } from '../debug/ask.ts';
import { felixTables } from '../debug/felix-tables.ts';
import { debugHandler } from '../debug/server.ts';
import type { Felix } from './felix.ts';
import type { LoopDelayWatch } from './loop-delay.ts';
import type { OpenNode } from './open-node.ts';
import type { RuleHits } from './rule-hits.ts';

/** What the debug socket shows. */
export interface DebugComponentOptions {
  readonly node: OpenNode;
  readonly felix: Felix;
  readonly hits: RuleHits;
  readonly view: () => readonly KindStatus[];
  readonly health: HealthAggregator;
  readonly loop: LoopDelayWatch;
}

/** The agent's internal tables on `debug.sock` in its run folder, for `calico debug tables`. */
export function debugComponent({ node, felix, hits, ...agent }: DebugComponentOptions): Component {
  const { environment, kernel } = node;
  const { nodeName } = environment;
  const ofFelix = felixTables({
    ...{ nodeName, felix, hits, kernel },
    interfaceProblem: name => felix.interfaceProblem(name),
  });
  const tables = [...ofFelix, ...agentTables(agent)];
  const handler = debugHandler({ node: nodeName, tables, clock: systemClock });
  const server = socketServer('debug socket', join(environment.runFolder, debugSocket), handler);
  return {
    ...server,
    // Nothing depends on it: a full disk, say, keeps no node from its network.
    start: async () => {
      await Promise.resolve(server.start()).catch(err => {
        node.log.warn({ err }, 'The debug socket is not there; calico debug tables will not work');
      });
    },
  };
}
