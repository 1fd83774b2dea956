// Preloaded by npm test: properties get the same random input in every run, so that a run says something of the commit and not of
// chance. `bun test` alone takes another seed each time, and prints it where something fails.
import fc from 'fast-check';

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.CALICO_TEST_SEED ?? 1) });
