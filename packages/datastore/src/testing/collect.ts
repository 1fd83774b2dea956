/** Resolves once `condition` holds, looking after every turn of the microtask queue; throws when it never does. */
export async function eventually(condition: () => boolean, turns = 1000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (condition()) return;
    await Promise.resolve();
  }
  throw new Error('the condition never held');
}
