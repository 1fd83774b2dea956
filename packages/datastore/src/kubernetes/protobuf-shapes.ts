/** A field of a message: its name in JSON and what it holds; a map is one of text to text. */
export interface ShapeField {
  readonly name: string;
  readonly of: 'string' | 'number' | 'boolean' | 'bytes' | 'time' | 'map' | Shape;
  readonly repeated?: true;
}

/** The fields of a message that are read, by their numbers. */
export type Shape = readonly (ShapeField | undefined)[];

/** Puts fields at their numbers. */
function shape(fields: Readonly<Record<number, ShapeField>>): Shape {
  const places: (ShapeField | undefined)[] = [];
  for (const [number, field] of Object.entries(fields)) places[Number(number)] = field;
  return Array.from(places);
}

const text = (name: string): ShapeField => ({ name, of: 'string' });
const number = (name: string): ShapeField => ({ name, of: 'number' });
const one = (name: string, of: Shape): ShapeField => ({ name, of });
const many = (name: string, of: Shape): ShapeField => ({ name, of, repeated: true });

// Numbers as in generated.proto of k8s.io/apimachinery/pkg/apis/meta/v1 and k8s.io/api/core/v1, which never change.

const listMeta = shape({ 2: text('resourceVersion'), 3: text('continue') });

/** All but managedFields, ownerReferences and finalizers, and when it was created, which takes long to print. */
const objectMeta = shape({
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  7: number('generation'),
  9: { name: 'deletionTimestamp', of: 'time' },
  11: { name: 'labels', of: 'map' },
  12: { name: 'annotations', of: 'map' },
});

const container = shape({
  1: text('name'),
  6: many(
    'ports',
    shape({
      1: text('name'),
      2: number('hostPort'),
      3: number('containerPort'),
      4: text('protocol'),
      5: text('hostIP'),
    }),
  ),
});

/** What a pod's endpoint is made of. */
const pod = shape({
  1: one('metadata', objectMeta),
  2: one(
    'spec',
    shape({
      2: many('containers', container),
      8: text('serviceAccountName'),
      10: text('nodeName'),
      11: { name: 'hostNetwork', of: 'boolean' },
      20: many('initContainers', container),
    }),
  ),
  3: one('status', shape({ 1: text('phase'), 6: text('podIP'), 12: many('podIPs', shape({ 1: text('ip') })) })),
});

export const podList: Shape = shape({ 1: one('metadata', listMeta), 2: many('items', pod) });

export const status: Shape = shape({
  2: text('status'),
  3: text('message'),
  4: text('reason'),
  5: one('details', shape({ 1: text('name'), 2: text('group'), 3: text('kind'), 5: number('retryAfterSeconds') })),
  6: number('code'),
});
