import { nftablesContract } from './contract.ts';
import { fakeNftables } from './fake.ts';

nftablesContract('fake', () => {
  const nftables = fakeNftables();
  return { nftables, another: () => nftables.another(), close: () => nftables.close() };
});
