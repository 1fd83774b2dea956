import { FakeKernel, type FakeOp } from './fake-kernel.ts';
import { FakeMachine } from './machine.ts';

/** A kernel in memory on a machine of its own; for several namespaces make a FakeMachine. */
export function fakeKernel(): FakeKernel {
  return new FakeMachine().openKernel();
}

export type { Classification, FakePacket, PacketContext } from '../nftables/classify.ts';
export { FakeNftables, fakeNftables } from '../nftables/fake.ts';
export { FakeKernel, FakeMachine, type FakeOp };
