import type { Static } from 'typebox';
import { printAge } from '../../age.ts';
import { column, nameColumn, wide } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import type { Kind } from '../../kind.ts';
import type { AnyResource } from '../../resource.ts';
import { integer, lazy, object, open, text, time } from '../../schema/build.ts';

const reference = lazy(() =>
  object(
    {},
    {
      apiVersion: text(),
      kind: text(),
      name: text(),
      namespace: text(),
      uid: text(),
      resourceVersion: text(),
      fieldPath: text(),
    },
  ),
);

const fields = lazy(() =>
  object(
    { involvedObject: reference() },
    {
      reason: text(),
      message: text(),
      type: text(),
      count: integer({ format: 'int32' }),
      firstTimestamp: time(),
      lastTimestamp: time(),
      eventTime: time(),
      source: open({ component: text(), host: text() }, { default: {} }),
      reportingComponent: text({ default: '' }),
      reportingInstance: text({ default: '' }),
      action: text(),
      related: reference(),
      series: open({ count: integer(), lastObservedTime: time() }),
    },
  ),
);

/** What an event speaks of (core/v1 ObjectReference). */
export type ObjectReference = Static<ReturnType<typeof reference>>;
export type Event = AnyResource & Static<ReturnType<typeof fields>>;

const lastSeen = (event: Event) =>
  event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp;
const eventObject = (event: Event) =>
  `${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name ?? ''}`;

/** Something that happened to an object. */
export const Event: Kind<Event> = defineKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  description: 'Something that happened to an object.',
  fields,
  columns: [
    column('Last Seen', 'string', (event, now) => printAge(lastSeen(event), now)),
    column('Type', 'string', event => event.type ?? ''),
    column('Reason', 'string', event => event.reason ?? ''),
    column('Object', 'string', eventObject),
    wide(column('Subobject', 'string', event => event.involvedObject.fieldPath ?? '')),
    wide(column('Source', 'string', event => [event.source?.component, event.source?.host].filter(Boolean).join(', '))),
    column('Message', 'string', event => (event.message ?? '').trim()),
    wide(column('First Seen', 'string', (event, now) => printAge(event.firstTimestamp ?? event.eventTime, now))),
    wide(column('Count', 'string', event => String(event.series?.count ?? event.count ?? 1))),
    wide(nameColumn()),
  ],
  fieldLabels: {
    'involvedObject.kind': { value: event => event.involvedObject.kind ?? '' },
    'involvedObject.name': { value: event => event.involvedObject.name ?? '' },
    'involvedObject.namespace': { value: event => event.involvedObject.namespace ?? '' },
    'involvedObject.uid': { value: event => event.involvedObject.uid ?? '' },
    'involvedObject.apiVersion': { value: event => event.involvedObject.apiVersion ?? '' },
    'involvedObject.resourceVersion': { value: event => event.involvedObject.resourceVersion ?? '' },
    'involvedObject.fieldPath': { value: event => event.involvedObject.fieldPath ?? '' },
    reason: { value: event => event.reason ?? '' },
    reportingComponent: { value: event => event.reportingComponent ?? '' },
    source: { value: event => event.source?.component ?? event.reportingComponent ?? '' },
    type: { value: event => event.type ?? '' },
  },
  example: () => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'web-0.17a1', namespace: 'shop' },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'web-0', namespace: 'shop' },
    type: 'Normal',
    reason: 'Networked',
    message: 'Address 10.244.1.7 assigned',
    count: 1,
    lastTimestamp: '2026-01-02T03:04:05Z',
  }),
});
