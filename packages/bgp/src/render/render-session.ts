import type { BirdConfig } from '../bird-config.ts';
import { functionNames } from '../route-rules.ts';
import { isInternal, type Session } from '../session.ts';
import { debugLine } from './debug-line.ts';

/** A BGP protocol: one session with its channel and filters. */
export function renderSession(session: Session, config: BirdConfig): string[] {
  const { neighbour, local } = session;
  const port = (number: number | undefined) => (number === undefined ? '' : ` port ${number}`);
  const address = local.address === undefined ? '' : ` ${local.address}`;
  return [
    `protocol bgp ${session.name} from calico {`,
    ...debugLine(config.debug, 'states, routes, filters, events'),
    `  local${address}${port(config.port)} as ${local.as};`,
    `  neighbor ${neighbour.address}${port(neighbour.port)} as ${neighbour.as};`,
    ...(config.bindToNode ? ['  strict bind on;'] : []),
    ...(session.ttlSecurity === undefined
      ? ['  multihop;']
      : [`  multihop ${session.ttlSecurity};`, '  ttl security on;']),
    ...(session.passive ? ['  passive on;'] : []),
    ...(session.clusterId === undefined ? [] : ['  rr client;', `  rr cluster id ${session.clusterId};`]),
    ...line('graceful restart time', session.maxRestartTime),
    ...line('hold time', holdTime(session.keepaliveTime)),
    ...line('keepalive time', session.keepaliveTime),
    ...line('allow local as', session.allowedLocalAs),
    ...(session.password === undefined ? [] : [`  password "${session.password}";`]),
    ...renderChannel(session),
    '}',
  ];
}

/** Three signs of life may get lost; BIRD's own 240 s do for every interval up to a third of it. */
function holdTime(keepaliveTime = 0): number | undefined {
  return keepaliveTime > 80 ? 3 * keepaliveTime : undefined;
}

function renderChannel(session: Session): string[] {
  const names = functionNames(session.family);
  return [
    `  ipv${session.family} {`,
    '    gateway recursive;',
    '    add paths on;',
    ...(session.nextHop === 'auto' ? [] : [`    next hop ${session.nextHop};`]),
    `    import filter { ${names.import}(); accept; };`,
    `    export filter { ${names.normalise}(); ${names.export}(${isInternal(session)}); reject; };`,
    '  };',
  ];
}

function line(option: string, value: number | undefined): string[] {
  return value === undefined ? [] : [`  ${option} ${value};`];
}
