import type { KindStatus } from '@calico/datastore';
import type { HealthAggregator } from '@calico/process';
import type { LoopDelayWatch } from '../node/loop-delay.ts';
import type { DebugTable } from './table.ts';

/** What the tables of the agent as a whole are read from. */
export interface AgentTablesOptions {
  /** How each kind of the view stands; nothing before there is a view. */
  readonly view: () => readonly KindStatus[];
  readonly health: HealthAggregator;
  readonly loop: LoopDelayWatch;
}

/** The tables of the agent as a whole: its view of the datastore, its health, its event loop. */
export function agentTables({ view, health, loop }: AgentTablesOptions): DebugTable[] {
  return [
    {
      name: 'view',
      about: 'the view of the datastore: how old each kind of it may be, and what keeps it from being newer',
      columns: ['kind', 'state', 'inSync', 'ageSeconds', 'error'],
      rows: () =>
        view().map(({ kind, state, inSync, age, error }) => [
          ...[kind, state, inSync, Number.isFinite(age) ? Math.round(age) / 1000 : undefined],
          error?.message,
        ]),
    },
    {
      name: 'health',
      about: 'what the parts of the agent report of themselves',
      columns: ['reporter', 'live', 'ready', 'ageSeconds', 'detail'],
      rows: () =>
        health
          .reports()
          .map(({ name, age, report }) => [name, report?.live, report?.ready, Math.round(age) / 1000, report?.detail]),
    },
    {
      name: 'loop-delay',
      about: 'how late the event loop came to what was due, asked 20 times a second; in milliseconds',
      columns: ['samples', 'over20ms', 'longestOfLast10s', 'longest'],
      rows: () => {
        const { samples, late, longestNow, longest } = loop.delays();
        return [[samples, late, longestNow, longest]];
      },
    },
  ];
}
