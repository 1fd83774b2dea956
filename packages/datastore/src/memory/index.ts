export {
  type InjectedFailure,
  MemoryClient,
  type MemoryOperation,
  type MemoryOptions,
  memoryClient,
} from './client.ts';
