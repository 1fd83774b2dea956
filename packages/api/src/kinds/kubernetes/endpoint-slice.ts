import { parseAddr } from '@calico/ip';
import type { Static } from 'typebox';
import { ageColumn, column, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { AnyResource } from '../../resource.ts';
import { flag, integer, lazy, list, object, oneOf, open, set, text } from '../../schema/build.ts';
import { isObject } from '../../schema/node.ts';

const endpoint = lazy(() =>
  object(
    { addresses: set(text(), { minItems: 1, maxItems: 100 }) },
    {
      conditions: object({}, { ready: flag(), serving: flag(), terminating: flag() }),
      hostname: text(),
      nodeName: text(),
      zone: text(),
      targetRef: open({ kind: text(), name: text(), namespace: text(), uid: text() }),
      hints: open(),
      deprecatedTopology: open(),
    },
  ),
);

const port = lazy(() =>
  object(
    {},
    {
      name: text({ default: '' }),
      protocol: oneOf(['TCP', 'UDP', 'SCTP'], { default: 'TCP' }),
      port: integer({ format: 'int32', minimum: 1, maximum: 65535 }),
      appProtocol: text(),
    },
  ),
);

const fields = lazy(() =>
  object(
    { addressType: oneOf(['IPv4', 'IPv6', 'FQDN']), endpoints: list(endpoint(), { maxItems: 1000 }) },
    { ports: list(port(), { maxItems: 100 }) },
  ),
);

/** One backend of a service. */
export type Endpoint = Static<ReturnType<typeof endpoint>>;
/** A port that every backend of the slice has. */
export type EndpointPort = Static<ReturnType<typeof port>>;
export type EndpointSlice = AnyResource & Static<ReturnType<typeof fields>>;

/** The label that names the service of a slice. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Some of the backends of a service. */
export const EndpointSlice: Kind<EndpointSlice> = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  description: 'Some of the backends of a service.',
  fields,
  columns: [
    nameColumn(),
    column('AddressType', 'string', slice => slice.addressType),
    column('Ports', 'string', slice =>
      firstThree(
        (slice.ports ?? []).map(({ port }) => String(port ?? '*')),
        '<unset>',
      ),
    ),
    column('Endpoints', 'string', slice =>
      firstThree(
        slice.endpoints.flatMap(({ addresses }) => addresses),
        '<unset>',
      ),
    ),
    ageColumn(),
  ],
  defaults: slice => {
    const value: unknown = slice;
    if (isObject(value) && value.endpoints === undefined) slice.endpoints = [];
    return slice;
  },
  rules: ({ addressType, endpoints }, errors) => {
    if (addressType === 'FQDN') return;
    const family = addressType === 'IPv4' ? 4 : 6;
    for (const [i, { addresses }] of endpoints.entries()) {
      for (const [j, address] of addresses.entries()) {
        if (parseAddr(address)?.family !== family) {
          errors.invalid(`endpoints[${i}].addresses[${j}]`, address, `must be an ${addressType} address`);
        }
      }
    }
  },
  example: () => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-abc12', namespace: 'shop', labels: { [SERVICE_NAME_LABEL]: 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.244.1.7'], conditions: { ready: true }, nodeName: 'node-1' }],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  }),
});

function firstThree(values: readonly string[], none: string): string {
  if (values.length === 0) return none;
  const more = values.length > 3 ? ` + ${values.length - 3} more...` : '';
  return values.slice(0, 3).join(',') + more;
}
