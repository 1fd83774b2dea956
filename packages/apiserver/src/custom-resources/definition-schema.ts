/** The schema of CustomResourceDefinition. Source: Kubernetes API reference, apiextensions.k8s.io/v1. */
import { ConfigMap } from '@calico/api';
import { isJsonObject, type JsonObject } from '../json.ts';

const text = { type: 'string' };
const flag = { type: 'boolean' };
const texts = { type: 'array', items: text, 'x-kubernetes-list-type': 'atomic' };
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** The schema of metadata, as all kinds have it. */
export function metadataSchema(): JsonObject {
  const properties: unknown = 'properties' in ConfigMap.schema ? ConfigMap.schema.properties : undefined;
  const metadata = isJsonObject(properties) ? properties.metadata : undefined;
  return isJsonObject(metadata) ? metadata : { type: 'object' };
}

const names = {
  type: 'object',
  required: ['plural', 'kind'],
  description: 'How objects are called in paths and on the command line.',
  properties: { plural: text, singular: text, kind: text, listKind: text, shortNames: texts, categories: texts },
};

const column = {
  type: 'object',
  required: ['name', 'type', 'jsonPath'],
  properties: {
    name: text,
    type: text,
    jsonPath: text,
    description: text,
    format: text,
    priority: { type: 'integer', format: 'int32' },
  },
};

const version = {
  type: 'object',
  required: ['name', 'served', 'storage'],
  properties: {
    name: text,
    served: { type: 'boolean', description: 'Whether requests may use this version.' },
    storage: { type: 'boolean', description: 'Whether objects are kept in this version; true for exactly one.' },
    deprecated: flag,
    deprecationWarning: text,
    schema: { type: 'object', properties: { openAPIV3Schema: open }, description: 'A structural schema.' },
    subresources: {
      type: 'object',
      properties: {
        status: open,
        scale: {
          type: 'object',
          required: ['specReplicasPath', 'statusReplicasPath'],
          properties: { specReplicasPath: text, statusReplicasPath: text, labelSelectorPath: text },
        },
      },
    },
    additionalPrinterColumns: { type: 'array', items: column, 'x-kubernetes-list-type': 'atomic' },
    selectableFields: {
      type: 'array',
      'x-kubernetes-list-type': 'atomic',
      items: { type: 'object', required: ['jsonPath'], properties: { jsonPath: text } },
    },
  },
};

const condition = {
  type: 'object',
  required: ['type', 'status'],
  properties: {
    type: text,
    status: text,
    reason: text,
    message: text,
    lastTransitionTime: { type: 'string', format: 'date-time' },
    observedGeneration: { type: 'integer', format: 'int64' },
  },
};

export const definitionSchema: JsonObject = {
  type: 'object',
  description: 'Defines a kind of objects that the server then serves.',
  required: ['metadata', 'spec'],
  properties: {
    apiVersion: text,
    kind: text,
    metadata: metadataSchema(),
    spec: {
      type: 'object',
      required: ['group', 'names', 'scope', 'versions'],
      properties: {
        group: text,
        names,
        scope: { type: 'string', enum: ['Namespaced', 'Cluster'] },
        versions: { type: 'array', items: version, 'x-kubernetes-list-type': 'atomic' },
        conversion: { type: 'object', required: ['strategy'], properties: { strategy: text, webhook: open } },
        preserveUnknownFields: flag,
      },
    },
    status: {
      type: 'object',
      properties: {
        acceptedNames: names,
        storedVersions: texts,
        conditions: {
          type: 'array',
          items: condition,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
        },
      },
    },
  },
};
