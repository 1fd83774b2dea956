import type { PolicyId } from '@calico/policy';
import { LabelIndex, type Labels } from '@calico/selector';
import type { EndpointId } from './messages.ts';
import type { PolicyEntry } from './policy-entry.ts';

/** Told which policies there are, which of them this node needs, and which subjects its endpoints match. */
export interface ActivePoliciesListener {
  /** The policy became active, or changed while active. */
  policyActive(entry: PolicyEntry): void;
  policyInactive(id: PolicyId): void;
  /** A policy came, active or not; a changed policy comes before its old form goes. */
  policyAdded(entry: PolicyEntry): void;
  policyRemoved(entry: PolicyEntry): void;
  /** The endpoint matches the subject of policies (`subjectId`). */
  matchStarted(subjectId: string, endpoint: EndpointId): void;
  matchStopped(subjectId: string, endpoint: EndpointId): void;
}

/** All policies with one subject. */
interface Subject {
  readonly entries: Set<PolicyEntry>;
  readonly endpoints: Set<EndpointId>;
}

/** Which policies are for endpoints of this node. Policies with equal subjects are matched as one. */
export class ActivePolicies {
  readonly #entries = new Map<PolicyId, PolicyEntry>();
  readonly #active = new Map<PolicyId, PolicyEntry>();
  readonly #subjects = new Map<string, Subject>();
  readonly #on: ActivePoliciesListener;
  readonly #index: LabelIndex;

  constructor(on: ActivePoliciesListener) {
    this.#on = on;
    this.#index = new LabelIndex({
      matchStarted: (subject, endpoint) => this.#matchStarted(subject, endpoint),
      matchStopped: (subject, endpoint) => this.#matchStopped(subject, endpoint),
    });
  }

  /** A local endpoint has these labels, and inherits those of its profiles. */
  setEndpoint(id: EndpointId, labels: Labels, profiles: readonly string[]): void {
    this.#index.setItem(id, labels, profiles);
  }

  deleteEndpoint(id: EndpointId): void {
    this.#index.deleteItem(id);
  }

  /** The labels that endpoints with this profile inherit; undefined: none. */
  setProfile(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#index.deleteParent(name);
    else this.#index.setParent(name, labels);
  }

  /** The policy `id` is now `after`; undefined: it is gone. */
  setPolicy(id: PolicyId, after: PolicyEntry | undefined): void {
    const before = this.#entries.get(id);
    if (after === undefined) this.#entries.delete(id);
    else this.#entries.set(id, after);

    if (after !== undefined) this.#addToSubject(after);
    if (before !== undefined) this.#removeFromSubject(before);

    if (after !== undefined && this.#isWanted(after)) this.#activate(after);
    else this.#deactivate(id);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Throws when the index is inconsistent. */
  check(): void {
    this.#index.check();
    for (const [id, { entries }] of this.#subjects) {
      for (const entry of entries) {
        if (this.#entries.get(entry.id) !== entry) throw new Error(`Cannot trust subject ${id}: ${entry.id} is stale`);
        const active = this.#active.get(entry.id) === entry;
        if (active !== this.#isWanted(entry)) throw new Error(`Cannot trust policy ${entry.id}: active is ${active}`);
      }
    }
  }

  #isWanted(entry: PolicyEntry): boolean {
    const subject = this.#subjects.get(entry.subjectId);
    return entry.everywhere || (subject !== undefined && subject.endpoints.size > 0);
  }

  #activate(entry: PolicyEntry): void {
    if (this.#active.get(entry.id) === entry) return;
    this.#active.set(entry.id, entry);
    this.#on.policyActive(entry);
  }

  #deactivate(id: PolicyId): void {
    if (this.#active.delete(id)) this.#on.policyInactive(id);
  }

  #addToSubject(entry: PolicyEntry): void {
    this.#on.policyAdded(entry);
    const { subject: selector, subjectId } = entry;
    const known = this.#subjects.get(subjectId);
    if (known === undefined) {
      this.#subjects.set(subjectId, { entries: new Set([entry]), endpoints: new Set() });
      this.#index.setSelector(subjectId, selector);
      return;
    }
    known.entries.add(entry);
  }

  #removeFromSubject(entry: PolicyEntry): void {
    const { subjectId: id } = entry;
    const subject = this.#subjects.get(id);
    if (subject === undefined) throw new Error(`Cannot take ${entry.id} from its subject: ${id} is unknown`);
    this.#on.policyRemoved(entry);
    subject.entries.delete(entry);
    if (subject.entries.size > 0) return;
    this.#subjects.delete(id);
    this.#index.deleteSelector(id);
  }

  #matchStarted(subjectId: string, endpoint: EndpointId): void {
    const subject = this.#subjects.get(subjectId);
    if (subject === undefined) throw new Error(`Cannot match ${endpoint}: subject ${subjectId} is unknown`);
    subject.endpoints.add(endpoint);
    if (subject.endpoints.size === 1) for (const entry of subject.entries) this.#activate(entry);
    this.#on.matchStarted(subjectId, endpoint);
  }

  /** The policies of a subject that is being taken away are gone already. */
  #matchStopped(subjectId: string, endpoint: EndpointId): void {
    this.#on.matchStopped(subjectId, endpoint);
    const subject = this.#subjects.get(subjectId);
    subject?.endpoints.delete(endpoint);
    if (subject === undefined || subject.endpoints.size > 0) return;
    for (const entry of subject.entries) if (!this.#isWanted(entry)) this.#deactivate(entry.id);
  }
}
