/** The parts of the system that can run alone, each loaded only when it is asked for. */
const components: Readonly<
  Record<string, { readonly about: string; readonly run: (args: string[]) => Promise<number> }>
> = {
  node: {
    about: 'the node agent: policy, routes, BGP, CNI server; its parts alone: node --help',
    run: async args => (await import('./node/commands.ts')).runNode(args, process.env),
  },
  'kube-controllers': {
    about: 'what looks after the whole cluster: addresses that leaked, nodes that are gone, …',
    run: async args => (await import('./kube-controllers/main.ts')).runKubeControllers(args, process.env),
  },
  cni: {
    about: 'install the CNI plugin on this host: cni install',
    run: async args => (await import('./cni-install.ts')).runCniComponent(args, process.env),
  },
};

/** Runs `calico component <name>` until it is told to stop. Gives the exit code. */
export async function runComponent([name = '', ...args]: string[]): Promise<number> {
  const component = components[name];
  if (component !== undefined) return component.run(args);
  process.stderr.write(`Cannot run component "${name}"; allowed:\n\n`);
  for (const [word, { about }] of Object.entries(components)) process.stderr.write(`  ${word.padEnd(16)} ${about}\n`);
  return 1;
}
