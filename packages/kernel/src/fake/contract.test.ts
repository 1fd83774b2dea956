import { kernelContract } from '../contract.ts';
import { FakeMachine } from './index.ts';

kernelContract('fake', () => {
  const machine = new FakeMachine();
  const namespace = machine.createNamespace('/run/netns/one');
  const otherNamespace = machine.createNamespace('/run/netns/two');
  return {
    namespace,
    otherNamespace,
    kernel: machine.openKernel({ namespace }),
    other: machine.openKernel({ namespace: otherNamespace }),
    close: () => undefined,
  };
});
