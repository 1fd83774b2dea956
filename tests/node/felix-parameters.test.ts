import { expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BGPConfiguration, FelixConfiguration } from '@calico/api';
import { tableName } from '@calico/dataplane';
import { etcdClient } from '@calico/datastore/etcd';
import { describeEtcd } from '../etcd/describe-etcd.ts';
import { useNodeBesideEtcd } from './beside-etcd.ts';
import { agentEnvironment, until } from './node-host.ts';

setDefaultTimeout(60_000);

describeEtcd('the agent of a node follows Felix’s parameters', () => {
  const beside = useNodeBesideEtcd();

  const answers = (port: number, path: string) =>
    beside.host.get(port, path).then(
      ({ status }) => status,
      () => undefined,
    );
  const vxlanPort = () => beside.host.kernel.link('vxlan.calico')?.vxlan?.port;
  const loops = (set: string) => beside.host.kernel.nftables.elements({ family: 'inet', name: tableName }, set).length;
  /** The last word on packets from pods to their node. */
  const toHost = () => {
    const chains = beside.host.kernel.nftables.dump({ family: 'inet', name: tableName })?.chains ?? [];
    const end = chains
      .find(({ chain }) => chain.name === 'workload-to-host')
      ?.rules.at(-1)
      ?.exprs.at(-1);
    return end?.kind === 'verdict' ? end.verdict.kind : undefined;
  };

  test('of its file, its environment and the cluster, while it runs, and says what it does not follow', async () => {
    const file = join(beside.host.folder, 'felix.cfg');
    writeFileSync(file, '[global]\nHealthPort = 9199\nVXLANPort = 4799\nDefaultEndpointToHostAction = ACCEPT\n');
    const agent = beside.host.start(['component', 'node'], {
      ...agentEnvironment(beside.server),
      CALICO_IPV4POOL_VXLAN: 'Always',
      FELIX_CONFIG: file,
      felix_vxlanport: '4790',
    });
    const log = new Response(agent.stdout).text();
    try {
      await until('it is ready where its file says', async () => (await answers(9199, '/readiness')) === 200);
      await until('VXLAN is at the port of the environment', () => vxlanPort() === 4790);
      expect(toHost()).toBe('accept');

      const logFile = join(beside.host.folder, 'log', 'felix.log');
      const client = etcdClient({ endpoints: [beside.server.url] });
      const usual = await client.get(FelixConfiguration, { name: 'default' });
      const changed = await client.update<FelixConfiguration>(FelixConfiguration, {
        ...usual,
        spec: {
          ...usual.spec,
          ...{ vxlanPort: 4791, vxlanVNI: 77, defaultEndpointToHostAction: 'Drop', bpfEnabled: true },
          ...{ prometheusMetricsPort: 9191, nftablesFilterDenyAction: 'Reject' },
          ...{ logFilePath: logFile, logSeverityFile: 'Info' },
        },
      });
      await until('metrics have moved', async () => (await answers(9191, '/metrics')) === 200);
      expect(await answers(9091, '/metrics')).toBeUndefined();
      // It is made in the background, with what is written first.
      const logged = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
      await until('the log goes to the file too', () => logged().includes('Server has moved'));
      const advertised = await client.get(BGPConfiguration, { name: 'default' });
      const serviceClusterIPs = [{ cidr: '10.96.0.0/16' }];
      await client.update<BGPConfiguration>(BGPConfiguration, { ...advertised, spec: { serviceClusterIPs } });
      await until('packets do not loop to advertised services', () => loops('service-nets-4') === 1);
      await until('VXLAN has another number', () => beside.host.kernel.link('vxlan.calico')?.vxlan?.vni === 77);
      // The file and the environment beat the cluster.
      expect([vxlanPort(), toHost()]).toEqual([4790, 'accept']);

      await client.update(FelixConfiguration, { ...changed, spec: usual.spec });
      await until('metrics are back', async () => (await answers(9091, '/metrics')) === 200);
      await until('VXLAN has its usual number', () => beside.host.kernel.link('vxlan.calico')?.vxlan?.vni === 4096);
      client.close();
      expect(agent.exitCode).toBeNull();
    } finally {
      agent.kill('SIGTERM');
    }
    expect(await agent.exited).toBe(0);
    // What the node writes into a new cluster's configuration asks for nothing that is not there.
    expect((await log).match(/is not followed parameter=\S+ value=\S+/g)).toEqual([
      'is not followed parameter=BPFEnabled value=true',
    ]);
  });
});
