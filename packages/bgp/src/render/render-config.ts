import { printCidr } from '@calico/ip';
import type { BirdConfig, FamilyConfig, StaticRoute } from '../bird-config.ts';
import { functionNames } from '../route-rules.ts';
import { debugLine } from './debug-line.ts';
import { renderFunction } from './render-filter.ts';
import { renderSession } from './render-session.ts';

/** Seconds between BIRD's looks at the kernel's tables; changes in between are told to it at once. */
const SCAN_TIME = 2;
/** Seconds that a restarted BIRD holds back its own view of the kernel's routes, waiting for all its neighbours. */
const RESTART_WAIT = 30;

/** BIRD 2's configuration file. */
export function renderConfig(config: BirdConfig): string {
  const sections = [
    ['# Made by Calico. Changes here are overwritten.'],
    [
      `router id ${config.routerId};`,
      'log stderr all;',
      'timeformat protocol iso long ms;',
      'timeformat base iso long ms;',
      `graceful restart wait ${RESTART_WAIT};`,
    ],
    ...config.families.flatMap(({ functions }) => functions.map(renderFunction)),
    ['protocol device {', ...debugLine(config.debug, 'states'), `  scan time ${SCAN_TIME};`, '}'],
    [
      'protocol direct {',
      ...debugLine(config.debug, 'states'),
      ...config.families.map(({ family }) => `  ipv${family};`),
      `  interface ${[...config.ignoredInterfaces.map(pattern => `-"${pattern}"`), '"*"'].join(', ')};`,
      '}',
    ],
    ...config.families.flatMap(family => [renderKernel(family, config), renderStatics(family, config)]),
    renderTemplate(config),
    ...config.sessions.map(session => renderSession(session, config)),
  ];
  return `${sections.map(lines => lines.join('\n')).join('\n\n')}\n`;
}

function renderKernel({ family }: FamilyConfig, { debug }: BirdConfig): string[] {
  return [
    `protocol kernel kernel${family} {`,
    ...debugLine(debug, 'states'),
    '  learn; # the routes that Felix made for local workloads',
    '  persist; # forwarding outlives BIRD',
    `  scan time ${SCAN_TIME};`,
    '  metric 0; # each route brings its own, as krt_metric',
    '  merge paths on;',
    '  graceful restart;',
    `  ipv${family} {`,
    '    import all;',
    `    export filter { ${functionNames(family).kernel}(); };`,
    '  };',
    '}',
  ];
}

function renderStatics({ family, statics }: FamilyConfig, { debug }: BirdConfig): string[] {
  return [
    `protocol static static${family} {`,
    ...debugLine(debug, 'states'),
    `  ipv${family};`,
    ...statics.map(route => `  ${renderStatic(route)}`),
    '}',
  ];
}

function renderStatic(route: StaticRoute): string {
  const cidr = printCidr(route.cidr);
  switch (route.kind) {
    case 'blackhole':
      return `route ${cidr} blackhole;`;
    case 'via':
      return `route ${cidr} via ${route.gateway};`;
  }
}

/** What all sessions share. Delays are short: a node's pods are not reachable before its first session is up. */
function renderTemplate({ debug }: BirdConfig): string[] {
  return [
    'template bgp calico {',
    ...debugLine(debug, 'states'),
    '  graceful restart on;',
    '  connect delay time 1;',
    '  connect retry time 2;',
    '  error wait time 1, 5;',
    '}',
  ];
}
