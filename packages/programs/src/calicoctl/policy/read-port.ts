import { hasPorts, PROTOCOLS } from '@calico/policy';
import type { Port } from '@calico/simulate';
import { Failure } from '../failure.ts';

/** Reads `443/tcp`, `443` (TCP), or a protocol without ports such as `icmp`. Throws a Failure that says what is allowed. */
export function readPort(text: string): Port {
  const [, number, name = 'tcp'] = /^(?:(\d+)(?:\/(\w+))?|(\w+))$/.exec(text) ?? [];
  const word = number === undefined ? text : name;
  const protocol = Object.hasOwn(PROTOCOLS, word.toLowerCase()) ? PROTOCOLS[word.toLowerCase()] : undefined;
  const fits = protocol !== undefined && hasPorts(protocol) === (number !== undefined);
  if (!fits || (number !== undefined && !(Number(number) >= 1 && Number(number) <= 65_535))) {
    throw new Failure(
      `--port is "${text}"; allowed: 443/tcp, 53/udp, 2905/sctp, or a protocol without ports such as icmp`,
    );
  }
  return { protocol, ...(number === undefined ? {} : { port: Number(number) }) };
}
