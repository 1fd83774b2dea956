import { defaultAllowProfile, type Profile } from '@calico/api';
import type { ProfileProgram } from '@calico/policy';
import type { Labels } from '@calico/selector';
import { Counter } from './counter.ts';
import { validOrAbsent } from './invalid.ts';
import type { Programs } from './programs.ts';
import { type SharedText, SharedTexts } from './shared-text.ts';
import { missingProfile, profileRules, type Translated, translateProfile } from './translate-policy.ts';

const DEFAULT_ALLOW = defaultAllowProfile.metadata.name;

/** A profile that can be read. */
interface KnownProfile {
  readonly rules: SharedText;
  /** What endpoints with the profile inherit. */
  readonly labels: Labels;
}

/**
 * The profiles: the labels that endpoints inherit, and the rules of those that local endpoints name. One that is named and
 * does not exist denies everything.
 */
export class Profiles {
  readonly #known = new Map<string, KnownProfile>();
  readonly #texts = new SharedTexts();
  readonly #named = new Counter<string>();
  readonly #programs: Programs<ProfileProgram>;

  constructor(programs: Programs<ProfileProgram>) {
    this.#programs = programs;
  }

  /** The profile is now `resource`; undefined: it is gone. One that cannot be read counts as absent. */
  set(name: string, resource: Profile | undefined): void {
    const before = this.#known.get(name);
    const rules = resource && this.#readRules(resource);
    if (rules === undefined) this.#known.delete(name);
    else this.#known.set(name, { rules, labels: resource?.spec.labelsToApply ?? {} });
    if (before !== undefined) this.#texts.release(before.rules);
    if (rules !== before?.rules && this.#named.has(name)) this.#activate(name);
  }

  /** The labels that endpoints with this profile inherit; undefined: there is no such profile. */
  labels(name: string): Labels | undefined {
    return this.#known.get(name)?.labels;
  }

  /** One more local endpoint names the profile. */
  acquire(name: string): void {
    if (this.#named.add(name)) this.#activate(name);
  }

  /** One less. */
  release(name: string): void {
    if (this.#named.remove(name)) this.#programs.set(name, undefined);
  }

  /** How many profiles there are. */
  get known(): number {
    return this.#known.size;
  }

  get size(): number {
    return this.#known.size + this.#texts.size + this.#named.size;
  }

  /** The text of the rules, if they can be read; one that another profile has is known to be so. */
  #readRules(resource: Profile): SharedText | undefined {
    const shared = this.#texts.acquire(profileRules(resource));
    if (shared.holders > 1 || validOrAbsent(() => translateProfile('', shared.text)) !== undefined) return shared;
    this.#texts.release(shared);
    return undefined;
  }

  #activate(name: string): void {
    const known = this.#known.get(name);
    this.#programs.set(name, known === undefined ? absentProfile(name) : translateProfile(name, known.rules.text));
  }
}

/** What stands for a profile that nobody has written down. */
function absentProfile(name: string): Translated<ProfileProgram> {
  return name === DEFAULT_ALLOW ? translateProfile(name, profileRules(defaultAllowProfile)) : missingProfile(name);
}
