/** Resolves once `condition` gives true; throws after a minute. The wall clock may jump meanwhile. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('Cannot wait any longer: the condition did not hold for a minute');
    await Bun.sleep(10);
  }
}
