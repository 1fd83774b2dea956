import { cel, type Keywords } from '../../schema/build.ts';
import { always, never, noGlobal } from './cel.ts';

const CIDR = 'cidr(self.cidr)';
const IS_V6 = `${CIDR}.ip().family() == 6`;
const uses = (use: string) => `(has(self.allowedUses) && '${use}' in self.allowedUses)`;
const tunnels = (field: string) => `(has(self.${field}) && !(self.${field} in ['', 'Never']))`;

/** Whether the pool and this range have addresses in common. */
const overlaps = (range: string, first: string) =>
  `cidr('${range}').containsIP(${CIDR}.ip()) || ${CIDR}.containsIP('${first}')`;

/** The rules about a pool that the API server checks by itself. */
export function poolValidations(): Keywords {
  return cel(
    never(`${tunnels('ipipMode')} && ${tunnels('vxlanMode')}`, 'only one of ipipMode and vxlanMode can be on'),
    never(`${IS_V6} && ${tunnels('ipipMode')}`, 'an IPv6 pool has no ipipMode'),
    never(
      `${uses('LoadBalancer')} && (${uses('Workload')} || ${uses('Tunnel')})`,
      'LoadBalancer stands alone in allowedUses',
    ),
    never(
      `${uses('LoadBalancer')} && (${tunnels('ipipMode')} || ${tunnels('vxlanMode')})`,
      'a pool for LoadBalancer has no ipipMode or vxlanMode',
    ),
    never(
      `${uses('LoadBalancer')} && has(self.disableBGPExport) && self.disableBGPExport`,
      'disableBGPExport must be false in a pool for LoadBalancer',
    ),
    always(
      `!${uses('LoadBalancer')} || self.nodeSelector == 'all()'`,
      'nodeSelector must be all() in a pool for LoadBalancer',
    ),
    never(
      `${uses('Tunnel')} && has(self.namespaceSelector) && size(self.namespaceSelector) > 0`,
      'a pool for Tunnel has no namespaceSelector',
    ),
    noGlobal('nodeSelector'),
    noGlobal('namespaceSelector'),
    always(`${CIDR} == ${CIDR}.masked()`, 'host bits of cidr must be zero'),
    never(overlaps('169.254.0.0/16', '169.254.0.0'), 'cidr must be apart from 169.254.0.0/16', 'FieldValueInvalid'),
    never(overlaps('fe80::/10', 'fe80::'), 'cidr must be apart from fe80::/10', 'FieldValueInvalid'),
    always(
      `!has(self.blockSize) || self.blockSize == 0 || (${IS_V6} ? self.blockSize >= 116 : self.blockSize >= 20 && self.blockSize <= 32)`,
      'blockSize must be from 20 to 32, for IPv6 from 116 to 128',
    ),
    always(
      `(has(self.disabled) && self.disabled) || ${CIDR}.prefixLength() <= (has(self.blockSize) && self.blockSize != 0 ? self.blockSize : ${IS_V6} ? 122 : 26)`,
      'the pool must not be smaller than one block',
    ),
  );
}

/** The rule that a field stays as it is. */
export function unchanged(field: string): Keywords {
  return cel(always('self == oldSelf', `${field} cannot be changed`));
}
