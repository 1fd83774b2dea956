import type { Message } from '@calico/calc';
import type { Counter, Gauge, Histogram, Metrics, Summary } from '@calico/process';

/** What Felix counts as it goes, by the names that Calico's dashboards use, and ours beside them. */
export interface FelixMetrics {
  readonly updatesProcessed: Counter<'type'>;
  readonly updateTime: Summary;
  readonly outputEvents: Counter;
  readonly messages: Counter<'type'>;
  readonly messageBatch: Summary;
  readonly interfaceBatch: Summary;
  readonly applyTime: Summary;
  readonly initialResync: Gauge;
  /** From a change of the cluster to the kernel having it. */
  readonly changeTime: Histogram;
  readonly failures: Counter;
  readonly drift: Counter<'part'>;
  readonly compared: Gauge<'part'>;
  /** Packets of Log rules that no line was written of. */
  readonly droppedPacketLines: Counter;
  readonly programsOverBudget: Gauge;
}

/** Registers what Felix counts as it goes. */
export function felixMetrics(metrics: Metrics): FelixMetrics {
  return {
    updatesProcessed: metrics.counter(
      'felix_calc_graph_updates_processed',
      'Number of datastore updates processed by the calculation graph, by kind of object.',
      ['type'],
    ),
    updateTime: metrics.summary(
      'felix_calc_graph_update_time_seconds',
      'Seconds from updates coming in to the messages that follow from them.',
    ),
    outputEvents: metrics.counter(
      'felix_calc_graph_output_events',
      'Number of messages that the calculation graph gave.',
    ),
    messages: metrics.counter('felix_int_dataplane_messages', 'Number of dataplane messages by type.', ['type']),
    messageBatch: metrics.summary(
      'felix_int_dataplane_msg_batch_size',
      'Number of messages that were written to the kernel together.',
    ),
    interfaceBatch: metrics.summary(
      'felix_int_dataplane_iface_msg_batch_size',
      'Number of interface events that were handled together.',
    ),
    applyTime: metrics.summary(
      'felix_int_dataplane_apply_time_seconds',
      'Seconds that writing changes to the kernel took, after the first time.',
    ),
    initialResync: metrics.gauge(
      'felix_int_dataplane_initial_resync_time_seconds',
      'Seconds that the first write to the kernel took, comparing it with all that was there.',
    ),
    changeTime: metrics.histogram(
      'felix_change_latency_seconds',
      'Seconds from a change of the cluster coming in to the kernel having it.',
      [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
    ),
    failures: metrics.counter(
      'felix_int_dataplane_failures',
      'Writes that the kernel refused and that are tried again.',
    ),
    drift: metrics.counter(
      'felix_dataplane_drift',
      'Objects in the kernel that were found to be other than written, and were mended: chains, sets, elements, routes.',
      ['part'],
    ),
    compared: metrics.gauge(
      'felix_dataplane_compared_time_seconds',
      'When rules and routes were last compared with the kernel, in seconds since 1970.',
      ['part'],
    ),
    droppedPacketLines: metrics.counter(
      'felix_packet_lines_dropped',
      'Packets of Log rules that no line was written of, because there were too many.',
    ),
    programsOverBudget: metrics.gauge(
      'felix_policy_programs_over_budget',
      'Sets of policies that are asked rule by rule, because looking them up would take more than its budget.',
    ),
  };
}

/** Our messages by the names of Calico's. */
const MESSAGE_TYPES: Readonly<Record<Message['kind'], string>> = {
  ipSetUpdate: 'IPSetUpdate',
  ipSetDelta: 'IPSetDeltaUpdate',
  ipSetRemove: 'IPSetRemove',
  policyUpdate: 'ActivePolicyUpdate',
  policyRemove: 'ActivePolicyRemove',
  profileUpdate: 'ActiveProfileUpdate',
  profileRemove: 'ActiveProfileRemove',
  endpointUpdate: 'WorkloadEndpointUpdate',
  endpointRemove: 'WorkloadEndpointRemove',
  routeUpdate: 'RouteUpdate',
  routeRemove: 'RouteRemove',
  vtepUpdate: 'VXLANTunnelEndpointUpdate',
  vtepRemove: 'VXLANTunnelEndpointRemove',
  poolUpdate: 'IPAMPoolUpdate',
  poolRemove: 'IPAMPoolRemove',
  hostUpdate: 'HostMetadataUpdate',
  hostRemove: 'HostMetadataRemove',
  serviceNets: 'GlobalBGPConfigUpdate',
  configUpdate: 'ConfigUpdate',
  inSync: 'InSync',
};

/** Counts messages by type. */
export function countMessages({ messages: counter, outputEvents }: FelixMetrics, messages: readonly Message[]): void {
  outputEvents.inc(messages.length);
  countBy(messages, ({ kind }) => MESSAGE_TYPES[kind], counter);
}

/** Counts items by type. What comes together is of one type for long, so that each is not counted by itself. */
export function countBy<T>(items: readonly T[], typeOf: (item: T) => string, counter: Counter<'type'>): void {
  let from = 0;
  for (let i = 1; i <= items.length; i++) {
    const type = typeOf(items[from] as T);
    const next = items[i];
    if (next !== undefined && typeOf(next) === type) continue;
    counter.inc({ type }, i - from);
    from = i;
  }
}
