/**
 * Resolves when all that is to be done in this turn of the event loop has been: what was asked for is on its way, an answer is out. For work
 * that nobody waits for, and before work that holds the event loop.
 */
export function afterThisTurn(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve);
  });
}
