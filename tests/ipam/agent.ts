import type { Client } from '@calico/datastore';
import { Ipam, type Settings } from '@calico/ipam';
import { type Passing, TroubledClient } from '@calico/ipam/testing';
import { randomInt } from '@calico/reconcile';
import type { World } from './world.ts';

/** How old an agent's view of pools and configuration may be, in milliseconds, when its watches are lost. */
const MAX_VIEW_AGE_MS = 150_000;

/** A call that ended because its process died. */
export const CRASHED: unique symbol = Symbol('crashed');

/** A process that talks to the datastore, and may die at any operation. What it was doing then is never answered. */
export class Process {
  readonly client: Client;
  readonly #world: World;
  readonly #name: string;
  #crash: () => void = () => {};
  #crashed = false;
  readonly #death: Promise<typeof CRASHED>;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#death = new Promise(resolve => {
      this.#crash = () => resolve(CRASHED);
    });
    this.client = new TroubledClient(world.client, passing => this.#fate(passing), world.turns.next);
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** Ends the process: operations on their way may still arrive. */
  kill(): void {
    if (this.#crashed) return;
    this.#crashed = true;
    this.#world.note(() => `${this.#name} dies`);
    this.#crash();
  }

  /** What a call gives, or CRASHED when the process dies first. */
  run<T>(call: () => Promise<T>): Promise<T | typeof CRASHED> {
    if (this.#crashed) return this.#death;
    return Promise.race([call(), this.#death]);
  }

  #fate(passing: Passing): ReturnType<World['fate']> {
    const world = this.#world;
    if (!this.#crashed && world.chance(world.weather.crash)) this.kill();
    const fate = this.#crashed ? world.pick(['orphaned', 'unsent'] as const) : world.fate(passing.write);
    world.note(() => `${this.#name} ${passing.op} ${passing.resource}${fate === 'done' ? '' : `: ${fate}`}`);
    return fate;
  }
}

/** A process with our IPAM in it: its memory of blocks and handles, its view of the settings, its clock. */
export class Agent extends Process {
  readonly ipam: Ipam;
  #view: { readonly settings: Settings; readonly at: number };

  constructor(world: World, name: string) {
    super(world, name);
    this.#view = { settings: world.settings(), at: world.wallTime };
    this.ipam = new Ipam({
      client: this.client,
      clock: world.clock(randomInt(world.random, 20_000) - 10_000),
      random: world.random,
      settings: {
        read: async () => {
          const { at } = this.#view;
          const old = world.wallTime - at > MAX_VIEW_AGE_MS;
          if (old || !world.weather.lag || world.chance(0.5))
            this.#view = { settings: world.settings(), at: world.wallTime };
          return this.#view.settings;
        },
      },
    });
  }
}
