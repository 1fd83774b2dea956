import type { Static } from 'typebox';
import { ageColumn, heading, joinCut, nameColumn } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { formatted, lazy, object, set } from '../../schema/build.ts';
import { CALICO_API_VERSION, CALICO_GROUP, CALICO_VERSION } from './group.ts';

const spec = lazy(() =>
  object(
    {},
    {
      reservedCIDRs: set(formatted('net-any', { format: 'cidr' }), {
        description: 'Addresses that are not given out by themselves.',
      }),
    },
  ),
);

export type IPReservationSpec = Static<ReturnType<typeof spec>>;
export type IPReservation = Resource<IPReservationSpec>;

const name = heading<IPReservation>('NAME', reservation => reservation.metadata.name);

/** Addresses that are kept out of automatic assignment; those in use stay. */
export const IPReservation: Kind<IPReservation> = defineKind<IPReservation>({
  group: CALICO_GROUP,
  version: CALICO_VERSION,
  kind: 'IPReservation',
  plural: 'ipreservations',
  aliases: ['reservation', 'reservations'],
  namespaced: false,
  description: 'Addresses that are kept out of automatic assignment. Those in use stay.',
  spec,
  columns: [nameColumn(), ageColumn()],
  calicoctl: {
    narrow: [name],
    wide: [name, heading('CIDRS', reservation => joinCut(reservation.spec.reservedCIDRs ?? []))],
  },
  example: () => ({
    apiVersion: CALICO_API_VERSION,
    kind: 'IPReservation',
    metadata: { name: 'printers' },
    spec: { reservedCIDRs: ['10.244.0.0/29', '10.244.200.1/32'] },
  }),
});
