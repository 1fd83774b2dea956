import { parseDuration } from '@calico/api';
import { anyText, flag, integer, oneOf, type Parameters, parsed, readParameters, span } from '@calico/calc';
import { type DataplaneConfig, dataplaneConfigFrom, dataplaneParameters } from '@calico/dataplane';
import { type ClientAuth, clientAuths, type LogLevel, parseLogLevel } from '@calico/process';
import { readElsewhere, unusedParameters } from './felix-unused.ts';

/** What the agent itself, beside its dataplane, takes from Felix's parameters. */
export interface AgentConfig {
  readonly logLevel: LogLevel;
  /** The file that the log goes to as well; empty: none. */
  readonly logFilePath: string;
  readonly logFileLevel: LogLevel;
  readonly syslogLevel: LogLevel;
  /** What a line about a packet of a Log rule begins with. */
  readonly logPrefix: string;
  /** So many lines of each Log rule in so many milliseconds; undefined: no limit of its own. */
  readonly logRate: { readonly lines: number; readonly per: number } | undefined;
  readonly logBurst: number;
  readonly healthEnabled: boolean;
  readonly healthHost: string;
  readonly healthPort: number;
  readonly metricsEnabled: boolean;
  readonly metricsHost: string;
  readonly metricsPort: number;
  /** Files of TLS for metrics; empty: none. */
  readonly metricsCertFile: string;
  readonly metricsKeyFile: string;
  readonly metricsCaFile: string;
  readonly metricsClientAuth: ClientAuth;
  /** How often routes, and rules, are compared with the kernel, in milliseconds; 0: never. */
  readonly routeRefreshInterval: number;
  readonly rulesRefreshInterval: number;
  /** Below this folder are files for endpoints that are up; undefined: below the run folder, empty: there are none. */
  readonly endpointStatusPrefix: string | undefined;
  /** Whether etcd is told how each pod stands, and how long such a report waits for others, in milliseconds. */
  readonly endpointReporting: boolean;
  readonly endpointReportingDelay: number;
  /** How often etcd is told that Felix lives, 0: never, and how long that holds, in milliseconds. */
  readonly reportingInterval: number;
  readonly reportingTtl: number;
  /** A part of the keys of such reports. */
  readonly openstackRegion: string;
  /** For how long the dataplane may be silent about its health, in milliseconds. */
  readonly dataplaneWatchdog: number;
  /** The same of any reporter, by its name. */
  readonly healthTimeouts: Readonly<Record<string, number>>;
}

const ports = [0, 65535] as const;

/** The parameters that the agent follows, each as soon as it changes. */
export const agentParameters: Parameters<AgentConfig> = {
  logLevel: parsed('LogSeverityScreen', parseLogLevel, {
    fallback: 'info',
    defaultText: 'Info',
    none: 'silent',
    allowed: 'Trace, Debug, Info, Warning, Error, Fatal',
    effect: 'the least severity that the agent logs',
  }),
  logFilePath: parsed('LogFilePath', text => (text.startsWith('/') ? text : undefined), {
    fallback: '',
    none: '',
    allowed: 'an absolute path',
    effect: 'the file that the agent logs to as well; none if empty, where Calico has /var/log/calico/felix.log',
  }),
  logFileLevel: parsed('LogSeverityFile', parseLogLevel, {
    fallback: 'info',
    defaultText: 'Info',
    none: 'silent',
    allowed: 'Trace, Debug, Info, Warning, Error, Fatal',
    effect: 'the least severity that goes to the file',
  }),
  syslogLevel: parsed('LogSeveritySys', parseLogLevel, {
    fallback: 'info',
    defaultText: 'Info',
    none: 'silent',
    allowed: 'Trace, Debug, Info, Warning, Error, Fatal',
    effect: 'the least severity that goes to syslog as well, where there is a `/dev/log`',
  }),
  logPrefix: anyText(
    'LogPrefix',
    'calico-packet',
    'what lines of Log rules begin with; `%t` is the tier, `%k` the kind of policy, `%n` its name, `%p` with its namespace',
  ),
  logRate: parsed('LogActionRateLimit', parseRate, {
    fallback: undefined,
    none: undefined,
    allowed: 'a number per second, minute, hour or day, such as 10/minute',
    effect:
      'the most lines of each Log rule; beside it all rules together write 100 a second at most, after 500 at once',
  }),
  logBurst: integer('LogActionRateLimitBurst', [0, 9999], 5, 'how many lines of a Log rule may come at once'),
  healthEnabled: flag('HealthEnabled', true, 'health is served; Calico does so only when told to'),
  healthHost: anyText('HealthHost', 'localhost', 'where health is served; all addresses if `none`'),
  healthPort: integer('HealthPort', ports, 9099, 'the port of health'),
  metricsEnabled: flag('PrometheusMetricsEnabled', true, 'metrics are served; Calico does so only when told to'),
  metricsHost: anyText('PrometheusMetricsHost', '', 'where metrics are served; all addresses if empty'),
  metricsPort: integer('PrometheusMetricsPort', ports, 9091, 'the port of metrics'),
  metricsCertFile: anyText(
    'PrometheusMetricsCertFile',
    '',
    'the file of the certificate that metrics are served with by TLS',
  ),
  metricsKeyFile: anyText('PrometheusMetricsKeyFile', '', 'the file of its key'),
  metricsCaFile: anyText(
    'PrometheusMetricsCAFile',
    '',
    'the file of the CA that has signed the certificates of clients',
  ),
  metricsClientAuth: oneOf(
    'PrometheusMetricsClientAuth',
    clientAuths,
    'NoClientCert',
    'which certificates clients must show: none, any, a good one if they show one, a good one',
  ),
  routeRefreshInterval: span('RouteRefreshInterval', 90_000, 'how often routes are compared with the kernel'),
  rulesRefreshInterval: span('NftablesRefreshInterval', 180_000, 'how often rules are compared with the kernel'),
  endpointStatusPrefix: parsed<string | undefined>('EndpointStatusPathPrefix', text => text, {
    fallback: undefined,
    none: '',
    allowed: 'a folder',
    effect:
      'below it, in `endpoint-status`, is a file for each pod whose rules are in force; `CALICO_RUN_DIR` if empty, no files if `none`',
  }),
  endpointReporting: flag('EndpointReportingEnabled', false, 'an etcd is told how each pod of this node stands'),
  endpointReportingDelay: span('EndpointReportingDelaySecs', 1_000, 'how long such a report waits for others'),
  reportingInterval: span('ReportingIntervalSecs', 30_000, 'how often an etcd is told that Felix lives'),
  reportingTtl: span('ReportingTTLSecs', 90_000, 'how long that holds; for ever if 0'),
  openstackRegion: anyText('OpenstackRegion', '', 'the region in the keys of such reports'),
  dataplaneWatchdog: span(
    'DataplaneWatchdogTimeout',
    90_000,
    'after so much silence of the dataplane the agent is not live; never if 0',
  ),
  healthTimeouts: parsed('HealthTimeoutOverrides', parseTimeouts, {
    fallback: {},
    defaultText: '',
    none: {},
    allowed: 'names of reporters with spans of time, such as CalculationGraph=1m,InternalDataplaneMainLoop=3m',
    effect: 'the same of any reporter',
  }),
};

const units = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

function parseRate(text: string): AgentConfig['logRate'] {
  const [, lines, unit] = /^([1-9]\d{0,3})\/(second|minute|hour|day)$/.exec(text) ?? [];
  return unit === undefined ? undefined : { lines: Number(lines), per: units[unit as keyof typeof units] };
}

/** `CalculationGraph=1m,InternalDataplaneMainLoop=3m`, in milliseconds; undefined where it is something else. */
function parseTimeouts(text: string): Record<string, number> | undefined {
  const timeouts: Record<string, number> = {};
  for (const part of text.split(',')) {
    const [, name = '', span = ''] = /^\s*([^=\s]+)\s*=\s*(\S+)\s*$/.exec(part) ?? [];
    const ms = parseDuration(span);
    if (name === '' || ms === undefined) return undefined;
    timeouts[name] = ms;
  }
  return timeouts;
}

/** Everything that Felix's parameters say, with what is wrong or without effect in them. */
export interface FelixSettings {
  readonly dataplane: DataplaneConfig;
  readonly agent: AgentConfig;
  /** One for each parameter that is not followed: which, and why. */
  readonly notes: readonly ParameterNote[];
}

/** Why a parameter is not followed. */
export interface ParameterNote {
  readonly parameter: string;
  readonly value: string;
  readonly why: string;
}

/** Types the merged parameters of a node. */
export function felixSettings(nodeName: string, raw: Readonly<Record<string, string>>): FelixSettings {
  const dataplane = dataplaneConfigFrom(nodeName, raw);
  const agent = readParameters(agentParameters, raw);
  const invalid = [...dataplane.invalid, ...agent.invalid].map(({ name, text, allowed }) => {
    return { parameter: name, value: text, why: `not valid, so its default holds; allowed: ${allowed}` };
  });
  return { dataplane: dataplane.config, agent: agent.values, notes: [...invalid, ...withoutEffect(raw)] };
}

const followed = new Set(
  [...Object.values(dataplaneParameters), ...Object.values(agentParameters), ...readElsewhere].map(({ name }) =>
    name.toLowerCase(),
  ),
);

const unused = new Map(unusedParameters.map(parameter => [parameter.name.toLowerCase(), parameter] as const));

function withoutEffect(raw: Readonly<Record<string, string>>): ParameterNote[] {
  return Object.entries(raw).flatMap(([name, value]) => {
    const key = name.toLowerCase();
    if (followed.has(key)) return [];
    const known = unused.get(key);
    if (known === undefined) return { parameter: name, value, why: 'no such parameter is known' };
    // What asks for the usual behaviour asks for nothing.
    if (known.usual.some(text => text.toLowerCase() === value.toLowerCase())) return [];
    return { parameter: known.name, value, why: `it has no effect: ${known.why}` };
  });
}

/** How long the reports of reporters hold, by name, in milliseconds; 0: for ever. */
export function timeoutsOf({ dataplaneWatchdog, healthTimeouts }: AgentConfig): Readonly<Record<string, number>> {
  return { InternalDataplaneMainLoop: dataplaneWatchdog, ...healthTimeouts };
}
