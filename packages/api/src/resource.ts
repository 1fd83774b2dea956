/** What points at the object that owns another (Kubernetes meta/v1 OwnerReference). */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Metadata of one object (Kubernetes meta/v1 ObjectMeta). Times are RFC 3339 in UTC. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: unknown[];
  selfLink?: string;
}

/** What every object has, whatever its kind: also those without a spec (ConfigMap, Secret, EndpointSlice …). */
export interface AnyResource {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: unknown;
  status?: unknown;
}

/** An object with a typed spec. */
export interface TypedResource<Spec, Status> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}

/** An object of any kind, or with `Resource<Spec, Status>` one whose spec is known and required. Plain JSON data. */
export type Resource<Spec = unknown, Status = unknown> = unknown extends Spec
  ? AnyResource
  : TypedResource<Spec, Status>;
