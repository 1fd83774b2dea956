export { EtcdClient, type EtcdClientOptions, etcdClient } from './client.ts';
export type { EtcdConfig, EtcdTls } from './config.ts';
export { type EtcdSettings, type LoadEtcdConfigOptions, loadEtcdConfig } from './load-config.ts';
export { EtcdValues } from './values.ts';
