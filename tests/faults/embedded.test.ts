import { describe } from 'bun:test';
import { datastoreFaults } from './datastore-faults.ts';
import { startEmbedded } from './embedded-server.ts';

describe('calicoClient on the embedded API server:', () => datastoreFaults(startEmbedded));
