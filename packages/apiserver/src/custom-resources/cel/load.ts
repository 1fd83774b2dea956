import type * as Engine from './engine.ts';

let engine: typeof Engine | undefined;

/** Loads the engine for rules in CEL; a server whose definitions have none never does. */
export async function loadCel(): Promise<void> {
  engine ??= await import('./engine.ts');
}

/** The engine. Throws when `loadCel` was not awaited before. */
export function celEngine(): typeof Engine {
  if (engine === undefined) throw new Error('Cannot evaluate a rule in CEL: the engine is not loaded');
  return engine;
}
