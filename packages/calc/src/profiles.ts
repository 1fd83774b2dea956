import { defaultAllowProfile, type Profile } from '@calico/api';
import type { ProfileProgram } from '@calico/policy';
import { Counter } from './counter.ts';
import { validOrAbsent } from './invalid.ts';
import type { Programs } from './programs.ts';
import { type SharedText, SharedTexts } from './shared-text.ts';
import { missingProfile, profileRules, type Translated, translateProfile } from './translate-policy.ts';

const DEFAULT_ALLOW = defaultAllowProfile.metadata.name;

/** The rules of the profiles that local endpoints name. One that is named and does not exist denies everything. */
export class Profiles {
  /** The rules of the profiles that can be read, as text. */
  readonly #rules = new Map<string, SharedText>();
  readonly #texts = new SharedTexts();
  readonly #named = new Counter<string>();
  readonly #programs: Programs<ProfileProgram>;

  constructor(programs: Programs<ProfileProgram>) {
    this.#programs = programs;
  }

  /** The profile is now `resource`; undefined: it is gone. Gives whether it exists and can be read. */
  set(name: string, resource: Profile | undefined): boolean {
    const before = this.#rules.get(name);
    const after = resource === undefined ? undefined : this.#read(resource);
    if (after === undefined) this.#rules.delete(name);
    else this.#rules.set(name, after);
    if (before !== undefined) this.#texts.release(before);
    if (after !== before && this.#named.has(name)) this.#activate(name);
    return after !== undefined;
  }

  /** One more local endpoint names the profile. */
  acquire(name: string): void {
    if (this.#named.add(name)) this.#activate(name);
  }

  /** One less. */
  release(name: string): void {
    if (this.#named.remove(name)) this.#programs.set(name, undefined);
  }

  get size(): number {
    return this.#rules.size + this.#texts.size + this.#named.size;
  }

  /** The text of the rules, if they can be read; one that another profile has is known to be so. */
  #read(resource: Profile): SharedText | undefined {
    const shared = this.#texts.acquire(profileRules(resource));
    if (shared.holders > 1 || validOrAbsent(() => translateProfile('', shared.text)) !== undefined) return shared;
    this.#texts.release(shared);
    return undefined;
  }

  #activate(name: string): void {
    const rules = this.#rules.get(name);
    this.#programs.set(name, rules === undefined ? absentProfile(name) : translateProfile(name, rules.text));
  }
}

/** What stands for a profile that nobody has written down. */
function absentProfile(name: string): Translated<ProfileProgram> {
  return name === DEFAULT_ALLOW ? translateProfile(name, profileRules(defaultAllowProfile)) : missingProfile(name);
}
