import { defaultAllowProfile, type Profile } from '@calico/api';
import type { ProfileProgram } from '@calico/policy';
import { Counter } from './counter.ts';
import { validOrAbsent } from './invalid.ts';
import { missingProfile, type Translated, translateProfile } from './policy-entry.ts';
import type { Programs } from './programs.ts';

const DEFAULT_ALLOW = defaultAllowProfile.metadata.name;

/** The rules of the profiles that local endpoints name. One that is named and does not exist denies everything. */
export class Profiles {
  readonly #translated = new Map<string, Translated<ProfileProgram>>();
  readonly #named = new Counter<string>();
  readonly #programs: Programs<ProfileProgram>;

  constructor(programs: Programs<ProfileProgram>) {
    this.#programs = programs;
  }

  /** The profile is now `resource`; undefined: it is gone. Gives whether it exists and can be read. */
  set(name: string, resource: Profile | undefined): boolean {
    const translated = resource === undefined ? undefined : validOrAbsent(() => translateProfile(name, resource));
    if (translated === undefined) this.#translated.delete(name);
    else this.#translated.set(name, translated);
    if (this.#named.has(name)) this.#activate(name);
    return translated !== undefined;
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
    return this.#translated.size + this.#named.size;
  }

  #activate(name: string): void {
    this.#programs.set(name, this.#translated.get(name) ?? absentProfile(name));
  }
}

/** What stands for a profile that nobody has written down. */
function absentProfile(name: string): Translated<ProfileProgram> {
  return name === DEFAULT_ALLOW ? translateProfile(name, defaultAllowProfile) : missingProfile(name);
}
