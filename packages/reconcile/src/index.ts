export { type Backoff, type BackoffOptions, backoff } from './backoff.ts';
export { type Cancellation, type Clock, sleepOn, type Timer } from './clock.ts';
export { ClockFake } from './clock-fake.ts';
export { MultiMap } from './multi-map.ts';
export { Mutex } from './mutex.ts';
export { type Random, randomInt, seededRandom } from './random.ts';
export { eachInSteps, finished, finishedInTurns, inTurns, type WorkEnd } from './steps.ts';
export { TURN_MS, Turn } from './turn.ts';
