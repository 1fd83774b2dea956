/** A server in a process of its own, for the test that kills it: `bun testing-server.ts <store>`; prints its URL. */
import { startTestServer } from './testing.ts';

const storePath = process.argv[2] ?? ':memory:';
const { server } = await startTestServer({ storePath });
process.stdout.write(`${server.urls[0]}\n`);
