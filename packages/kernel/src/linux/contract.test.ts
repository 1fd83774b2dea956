import { kernelContract } from '../contract.ts';
import { freshNamespaces, privileged } from './testing.ts';

privileged(import.meta.path, () => kernelContract('linux', freshNamespaces));
