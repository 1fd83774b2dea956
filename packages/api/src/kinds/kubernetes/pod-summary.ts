import { parseTime, printSpan } from '../../age.ts';
import type { Pod } from './pod.ts';
import type { ContainerStatus } from './pod-status.ts';

/** `1/2`: containers that are ready, of all, sidecars counted. */
export function podReady(pod: Pod): string {
  const sidecars = sidecarNames(pod);
  const statuses = [
    ...(pod.status?.containerStatuses ?? []).filter(
      status => status.ready === true && status.state?.running !== undefined,
    ),
    ...(pod.status?.initContainerStatuses ?? []).filter(
      status => sidecars.has(status.name) && status.ready === true && status.state?.running !== undefined,
    ),
  ];
  return `${statuses.length}/${pod.spec.containers.length + sidecars.size}`;
}

/** `2 (3m ago)`: how often containers started anew, and when the last time. */
export function podRestarts(pod: Pod, now: number): string {
  const sidecars = sidecarNames(pod);
  const inits = pod.status?.initContainerStatuses ?? [];
  const initializing = initReason(pod) !== undefined;
  const counted = initializing
    ? inits
    : [...(pod.status?.containerStatuses ?? []), ...inits.filter(s => sidecars.has(s.name))];
  let count = 0;
  let last: number | undefined;
  for (const status of counted) {
    count += status.restartCount ?? 0;
    const finished = parseTime(status.lastState?.terminated?.finishedAt);
    if (finished !== undefined && (last === undefined || finished > last)) last = finished;
  }
  return count > 0 && last !== undefined ? `${count} (${printSpan(now - last)} ago)` : String(count);
}

/** The state of the pod in one word, as kubectl shows it under STATUS. */
export function podSummary(pod: Pod): string {
  const { status, metadata } = pod;
  let reason = status?.reason || status?.phase || 'Pending';
  if (
    status?.phase === 'Pending' &&
    status.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'SchedulingGated')
  ) {
    reason = 'SchedulingGated';
  }
  const initializing = initReason(pod);
  if (initializing !== undefined) {
    reason = initializing;
  } else {
    let running = false;
    for (const container of [...(status?.containerStatuses ?? [])].reverse()) {
      const word = stateWord(container);
      if (word !== undefined) reason = word;
      else if (container.ready === true && container.state?.running !== undefined) running = true;
    }
    if (reason === 'Completed' && running) reason = isReady(pod) ? 'Running' : 'NotReady';
  }
  if (metadata.deletionTimestamp === undefined) return reason;
  return status?.reason === 'NodeLost' ? 'Unknown' : 'Terminating';
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') === true;
}

function stateWord({ state }: ContainerStatus): string | undefined {
  if (state?.waiting?.reason) return state.waiting.reason;
  const { terminated } = state ?? {};
  if (terminated === undefined) return undefined;
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode ?? 0}`;
}

function sidecarNames(pod: Pod): Set<string> {
  const names = new Set<string>();
  for (const container of pod.spec.initContainers ?? [])
    if (container.restartPolicy === 'Always') names.add(container.name);
  return names;
}

/** What the pod waits for while an init container is not done, or undefined. */
function initReason(pod: Pod): string | undefined {
  const statuses = pod.status?.initContainerStatuses ?? [];
  const sidecars = sidecarNames(pod);
  for (const [i, status] of statuses.entries()) {
    const { state } = status;
    if (state?.terminated !== undefined && (state.terminated.exitCode ?? 0) === 0) continue;
    if (sidecars.has(status.name) && status.started === true) continue;
    if (state?.terminated !== undefined) return `Init:${stateWord(status)}`;
    const waiting = state?.waiting?.reason;
    if (waiting && waiting !== 'PodInitializing') return `Init:${waiting}`;
    return `Init:${i}/${pod.spec.initContainers?.length ?? statuses.length}`;
  }
  return undefined;
}
