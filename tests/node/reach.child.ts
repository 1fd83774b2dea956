// Prints what the kernel of this namespace says, for reach.test.ts.
import { printAddr, printCidr } from '@calico/ip';
import { openKernel } from '@calico/kernel/linux';
import { hostInterfaces } from '@calico/node';
import { reach } from '../../packages/programs/src/node/reach.ts';

const kernel = openKernel();
const [host = '', family = '4'] = process.argv.slice(2);
const source = await reach(host, family === '6' ? 6 : 4).then(printAddr, (error: Error) => error.message);
const interfaces = hostInterfaces(kernel).map(({ name, mtu, up, addresses }) => ({
  name,
  mtu,
  up,
  addresses: addresses.map(printCidr),
}));
console.log(JSON.stringify({ source, interfaces }));
kernel.close();
