import { FakeKernel, type FakeOp } from './fake-kernel.ts';
import { FakeMachine } from './machine.ts';

/** A kernel in memory on a machine of its own; for several namespaces make a FakeMachine. */
export function fakeKernel(): FakeKernel {
  return new FakeMachine().openKernel();
}

export { FakeKernel, FakeMachine, type FakeOp };
