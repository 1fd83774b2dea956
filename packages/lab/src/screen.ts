import { type Cell, printMatrix } from './matrix.ts';
import type { LabPlan } from './plan.ts';
import type { PodReport } from './protocol.ts';

/** Milliseconds of the steps of bringing a lab up. */
export interface Timings {
  readonly nodesReady: number;
  readonly podsRunning: number;
  readonly openMatrix: number;
  readonly policyMatrix: number;
  readonly total: number;
}

/** Everything that the one screen shows. */
export interface LabReport {
  readonly plan: LabPlan;
  readonly pods: readonly PodReport[];
  readonly policies: readonly string[];
  readonly open: readonly Cell[];
  readonly withPolicies: readonly Cell[];
  readonly kubeconfig: string;
  readonly timings: Timings;
}

/** The screen that a newcomer sees once the lab is up. */
export function printScreen(report: LabReport, command: string): string {
  const { plan, pods, policies, kubeconfig, timings } = report;
  const onNode = (name: string) => pods.filter(pod => pod.node === name);
  const nodeRows = plan.nodes.map(node => [
    node.name,
    node.address.split('/')[0] ?? '',
    String(onNode(node.name).length),
  ]);
  const podRows = [...pods]
    .sort((a, b) => a.node.localeCompare(b.node) || a.key.localeCompare(b.key))
    .map(pod => [pod.key, pod.ips.join(','), pod.node, `${pod.addMs.toFixed(0)} ms`]);
  const example = pods.find(pod => pod.key.includes('frontend'))?.key ?? pods[0]?.key ?? '<namespace>/<pod>';
  return [
    table(['NODE', 'ADDRESS', 'PODS'], nodeRows),
    table(['POD', 'ADDRESS', 'NODE', 'CNI ADD'], podRows),
    `POLICIES (${policies.length})\n${wrap(policies, 110)}`,
    `CONNECTIVITY with policies (${summary(report.withPolicies)}; without: ${summary(report.open)})\n${printMatrix(report.withPolicies)}`,
    `Up in ${seconds(timings.total)}: nodes ready ${seconds(timings.nodesReady)}, pods ${seconds(timings.podsRunning)}, matrix without policies ${seconds(timings.openMatrix)}, with policies ${seconds(timings.policyMatrix)}`,
    [
      'Try it, in another terminal:',
      `  export KUBECONFIG=${kubeconfig}`,
      '  kubectl get pods -o wide',
      `  ${command} ctl get ippools -o wide`,
      `  ${command} lab shell ${example}`,
    ].join('\n'),
    'Ctrl-C ends the lab and leaves nothing behind.',
  ].join('\n\n');
}

/** The report for machines. */
export function reportJson(report: LabReport): unknown {
  const { plan, ...rest } = report;
  return { encapsulation: plan.encapsulation, nodes: plan.nodes, ...rest };
}

/** Aligned columns, three spaces apart, under a heading. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]?.length ?? 0)));
  return [heading, ...rows]
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

function summary(cells: readonly Cell[]): string {
  const open = cells.filter(cell => cell.found === 'open').length;
  const wrong = cells.filter(cell => cell.found !== cell.expected).length;
  return `${open} of ${cells.length} open, ${wrong === 0 ? 'all as expected' : `${wrong} NOT as expected`}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function wrap(words: readonly string[], width: number): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 2 <= width) lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines.map(line => `  ${line}`).join('\n');
}
