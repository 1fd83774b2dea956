import type { PolicyId } from '@calico/policy';
import {
  addToFew,
  countOfFew,
  IndexedItem,
  LabelIndex,
  type LabelIndexListener,
  type Labels,
  membersOfFew,
  removeFromFew,
} from '@calico/selector';
import type { EndpointId } from './messages.ts';
import { PolicyEntry, type PolicyForm } from './policy-entry.ts';
import { SharedTexts } from './shared-text.ts';
import { Subject } from './subject.ts';

/** Told which policies this node needs, and which subjects its endpoints match. */
export interface ActivePoliciesListener {
  /** The policy is now needed as `after` and was as `before`; undefined: not at all. */
  activeChanged(id: PolicyId, before: PolicyEntry | undefined, after: PolicyEntry | undefined): void;
  /** The endpoint matches the subject of policies. */
  matchStarted(subject: Subject, endpoint: EndpointId): void;
  matchStopped(subject: Subject, endpoint: EndpointId): void;
}

class LocalItem extends IndexedItem {
  readonly id: EndpointId;

  constructor(id: EndpointId) {
    super();
    this.id = id;
  }
}

/** Which policies are for endpoints of this node. Policies with equal subjects are matched as one. */
export class ActivePolicies {
  readonly #entries = new Map<PolicyId, PolicyEntry>();
  readonly #active = new Map<PolicyId, PolicyEntry>();
  /** As `#active` was when it was last told. */
  readonly #told = new Map<PolicyId, PolicyEntry>();
  readonly #changed = new Set<PolicyId>();
  readonly #subjects = new Map<string, Subject>();
  readonly #items = new Map<EndpointId, LocalItem>();
  readonly #rules = new SharedTexts();
  readonly #on: ActivePoliciesListener;
  readonly #index: LabelIndex<Subject, LocalItem>;
  #subjectsMade = 0;

  /** @param inherited gives the labels that endpoints with a profile inherit. */
  constructor(on: ActivePoliciesListener, inherited: (profile: string) => Labels | undefined) {
    this.#on = on;
    const listener: LabelIndexListener<Subject, LocalItem> = {
      matchStarted: (subject, item) => this.#matchStarted(subject, item.id),
      matchStopped: (subject, item) => this.#matchStopped(subject, item.id),
    };
    this.#index = new LabelIndex(listener, inherited);
  }

  /** A local endpoint has these labels, and inherits those of its profiles. */
  setEndpoint(id: EndpointId, labels: Labels, profiles: readonly string[]): void {
    const item = this.#items.get(id) ?? new LocalItem(id);
    this.#items.set(id, item);
    this.#index.setItem(item, labels, profiles);
  }

  deleteEndpoint(id: EndpointId): void {
    const item = this.#items.get(id);
    if (item !== undefined) this.#index.deleteItem(item);
    this.#items.delete(id);
  }

  /** The labels that endpoints with this profile inherit are others now. */
  profileChanged(name: string): void {
    this.#index.parentChanged(name);
  }

  /** The policy `id` is now `form`; undefined: it is gone. */
  setPolicy(id: PolicyId, form: PolicyForm | undefined): void {
    const before = this.#entries.get(id);
    const after = form === undefined ? undefined : this.#add(id, form);
    if (after === undefined) this.#entries.delete(id);
    else this.#entries.set(id, after);
    this.#setActive(id, after !== undefined && isWanted(after) ? after : undefined);
    if (before !== undefined) this.#drop(before);
  }

  /** Tells which policies have become needed or are no longer, in steps: one endpoint may need thousands. */
  *resolve(): Generator<undefined> {
    for (const id of this.#changed) {
      this.#changed.delete(id);
      const before = this.#told.get(id);
      const after = this.#active.get(id);
      if (before === after) continue;
      if (after === undefined) this.#told.delete(id);
      else this.#told.set(id, after);
      this.#on.activeChanged(id, before, after);
      yield;
    }
  }

  /** How many policies there are, active or not. */
  get policies(): number {
    return this.#entries.size;
  }

  get size(): number {
    return this.#entries.size + this.#subjects.size + this.#items.size + this.#rules.size;
  }

  /** Throws when the index is inconsistent. */
  check(): void {
    this.#index.check();
    for (const { text, entries } of this.#subjects.values()) {
      for (const entry of membersOfFew(entries)) {
        if (this.#entries.get(entry.id) !== entry)
          throw new Error(`Cannot trust subject ${text}: ${entry.id} is stale`);
        const active = this.#active.get(entry.id) === entry;
        if (active !== isWanted(entry)) throw new Error(`Cannot trust policy ${entry.id}: active is ${active}`);
      }
    }
  }

  #setActive(id: PolicyId, after: PolicyEntry | undefined): void {
    if (this.#active.get(id) === after) return;
    if (after === undefined) this.#active.delete(id);
    else this.#active.set(id, after);
    this.#changed.add(id);
  }

  #add(id: PolicyId, form: PolicyForm): PolicyEntry {
    const { text } = form.subject;
    let subject = this.#subjects.get(text);
    if (subject === undefined) {
      subject = new Subject(this.#subjectsMade++, form.subject);
      this.#subjects.set(text, subject);
      for (const _ of this.#index.addSelector(subject, form.subject.node));
    }
    const entry = new PolicyEntry(id, form, subject, this.#rules.acquire(form.rules));
    subject.entries = addToFew(subject.entries, entry);
    return entry;
  }

  #drop(entry: PolicyEntry): void {
    const { subject, rules } = entry;
    this.#rules.release(rules);
    subject.entries = removeFromFew(subject.entries, entry);
    if (countOfFew(subject.entries) > 0) return;
    this.#subjects.delete(subject.text);
    this.#index.deleteSelector(subject);
  }

  #matchStarted(subject: Subject, endpoint: EndpointId): void {
    subject.endpoints++;
    if (subject.endpoints === 1) for (const entry of membersOfFew(subject.entries)) this.#setActive(entry.id, entry);
    this.#on.matchStarted(subject, endpoint);
  }

  #matchStopped(subject: Subject, endpoint: EndpointId): void {
    this.#on.matchStopped(subject, endpoint);
    subject.endpoints--;
    if (subject.endpoints > 0) return;
    for (const entry of membersOfFew(subject.entries)) if (!isWanted(entry)) this.#setActive(entry.id, undefined);
  }
}

function isWanted({ everywhere, subject }: PolicyEntry): boolean {
  return everywhere || subject.endpoints > 0;
}
