import { describeEtcd } from '../etcd/describe-etcd.ts';
import { addressStories } from './addresses.ts';
import { etcdCluster } from './cluster.ts';

describeEtcd('kube-controllers with etcd:', () => addressStories(etcdCluster, 60_000));
