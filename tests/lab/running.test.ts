import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { eventually, type Report, RunningLab } from './lab-command.ts';
import { expectedCells, foundCells, judge, type KnownPod, knownPods, oracleFor, readFolder } from './oracle-view.ts';

const team = join(import.meta.dir, 'testdata/team');
const manifests = readFolder(team);
const hasKubectl = Bun.which('kubectl') !== null;
const why = hasKubectl ? '' : ' (skipped: no kubectl on PATH)';

let lab: RunningLab;
beforeAll(async () => {
  lab = await RunningLab.start(['--nodes', '2', '--manifests', team]);
}, 60_000);
afterAll(() => lab?.close());

/** The pods that a Deployment has now, as the API server says. */
async function podsOf(app: string, namespace = 'shop'): Promise<ApiPod[]> {
  const { items } = JSON.parse(await lab.kubectl(`get pods -n ${namespace} -l app=${app} -o json`)) as {
    items: ApiPod[];
  };
  return items.filter(pod => pod.metadata.deletionTimestamp === undefined);
}

interface ApiPod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly podIP?: string; readonly hostIP?: string };
}

const tcp = (address: string | undefined, port: number) => ({ protocol: 'TCP', address: address ?? '', port }) as const;

/** Fate of one connection from a pod. */
async function fate(from: string, address: string | undefined, port: number): Promise<string> {
  const [found] = await lab.probe(from, [tcp(address, port)]);
  return found?.fate ?? '';
}

const known = (report: Report): KnownPod[] => knownPods(manifests, report);

/** Every connection over TCP and UDP between the pods of the report, by packets and by the oracle. */
async function expectOracle(report: Report): Promise<void> {
  const pods = known(report);
  const oracle = oracleFor(manifests, pods, report, true);
  const connect = async (from: KnownPod): Promise<string[]> => {
    const targets = pods
      .filter(to => to !== from)
      .flatMap(to => to.ports.map(({ containerPort, protocol }) => ({ to, port: containerPort, protocol })));
    const found = await lab.probe(
      from.key,
      targets.map(({ to, port, protocol }) => ({ protocol: protocol === 'UDP' ? 'UDP' : 'TCP', address: to.ip, port })),
    );
    return targets.flatMap(({ to, port, protocol }, i) => {
      const expected = judge(oracle, from, to, protocol === 'UDP' ? 17 : 6, port);
      const fate = found[i]?.fate;
      return fate === expected ? [] : [`${from.key} → ${to.key} ${protocol} ${port}: ${fate}, oracle: ${expected}`];
    });
  };
  const wrong = (await Promise.all(pods.map(connect))).flat();
  expect(wrong).toEqual([]);
}

describe("a lab with the user's own manifests", () => {
  test('its matrices are as the oracle says', () => {
    const pods = known(lab.report);
    expect(foundCells(lab.report.open)).toEqual(expectedCells(oracleFor(manifests, pods, lab.report, false), pods));
    expect(foundCells(lab.report.withPolicies)).toEqual(
      expectedCells(oracleFor(manifests, pods, lab.report, true), pods),
    );
  });

  test('packets over TCP and UDP, seen from inside the pods, are as the oracle says', () => expectOracle(lab.report));

  test('a server sees the address of the pod that calls, and the machine outside sees its node', async () => {
    const [web, dns] = ['web', 'dns'].map(app => known(lab.report).find(pod => pod.app === app));
    const [inside, outside] = await lab.probe(dns?.key ?? '', [tcp(web?.ip, 8080), tcp('198.51.100.10', 80)]);
    expect(inside?.text).toBe(`${web?.key} sees ${dns?.ip}\n`);
    const node = lab.report.nodes.find(({ name }) => name === dns?.node);
    expect(outside?.text).toBe(`external sees ${node?.address.split('/')[0]}\n`);
  });

  test('pods see an address of their own, the gateway of every Calico pod, and nothing else', async () => {
    const web = known(lab.report).find(pod => pod.app === 'web');
    const routes = (await lab.shell(web?.key ?? '', 'cat', '/proc/net/route')).stdout.trim().split('\n').slice(1);
    // 169.254.1.1, in the kernel's byte order.
    const gateway = '0101FEA9';
    expect(routes.map(line => line.split('\t').slice(0, 3))).toEqual([
      ['eth0', '00000000', gateway],
      ['eth0', gateway, '00000000'],
    ]);
  });
});

describe.skipIf(!hasKubectl)(`kubectl against a running lab${why}`, () => {
  test('get pods -o wide shows every pod with its address and node', async () => {
    const lines = (await lab.kubectl('get pods -A -o wide')).trim().split('\n');
    expect(lines[0]?.split(/ {2,}/)).toEqual(
      expect.arrayContaining(['NAMESPACE', 'NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE', 'IP', 'NODE']),
    );
    for (const pod of lab.report.pods) {
      const line = lines.find(text => text.includes(pod.key.split('/')[1] ?? ''));
      for (const text of ['Running', pod.ips[0] ?? '', pod.node]) expect(line).toContain(text);
    }
  });

  test('get nodes and Calico kinds', async () => {
    const nodes = await lab.kubectl('get nodes -o wide');
    for (const { name, address } of lab.report.nodes) {
      expect(nodes).toContain(name);
      expect(nodes).toContain(address.split('/')[0] ?? '');
    }
    expect(nodes).not.toContain('NotReady');
    expect(await lab.kubectl('get ippools.projectcalico.org -o wide')).toContain('10.244.0.0/16');
    expect(await lab.kubectl('get tiers.projectcalico.org')).toContain('platform');
  });

  test('describe shows pod, node, policy and Deployment', async () => {
    const web = lab.report.pods.find(pod => pod.key.startsWith('shop/web-'));
    const pod = await lab.kubectl(`describe pod -n shop ${web?.key.split('/')[1]}`);
    for (const text of [web?.ips[0] ?? '?', web?.node ?? '?', 'Running', 'Deployment/web', '8080/TCP'])
      expect(pod).toContain(text);
    expect(await lab.kubectl('describe node node1')).toContain('172.30.1.11');
    expect(await lab.kubectl('describe networkpolicies.networking.k8s.io -n ops idle')).toContain('10.244.0.0/18');
    expect(await lab.kubectl('describe deployment -n shop web')).toMatch(/2 desired.*2 available/);
  });

  test('delete pod: a watch sees it go and another come, which has its own address and is reachable', async () => {
    const before = await podsOf('web');
    const victim = before[0]?.metadata.name ?? '';
    const watch = Bun.spawn(
      [
        'kubectl',
        '--kubeconfig',
        lab.report.kubeconfig,
        'get',
        'pods',
        '-n',
        'shop',
        '-l',
        'app=web',
        '-w',
        '--output-watch-events',
      ],
      { stdout: 'pipe', stderr: 'inherit' },
    );
    let seen = '';
    const reading = (async () => {
      for await (const chunk of watch.stdout) seen += new TextDecoder().decode(chunk);
    })();
    await eventually('the watch', 10_000, () => (seen.includes(victim) ? true : undefined));
    await lab.kubectl(`delete pod -n shop ${victim}`);
    const replacement = await eventually('another pod', 10_000, async () =>
      (await podsOf('web')).find(
        pod =>
          pod.status.podIP !== undefined &&
          pod.status.podIP !== '' &&
          !before.some(old => old.metadata.uid === pod.metadata.uid),
      ),
    );
    const { name } = replacement.metadata;
    await eventually(`events of the deletion and the replacement in: ${seen}`, 10_000, () =>
      new RegExp(`DELETED +${victim}`).test(seen) &&
      new RegExp(`ADDED +${name}`).test(seen) &&
      new RegExp(`MODIFIED +${name} .*Running`).test(seen)
        ? true
        : undefined,
    );
    watch.kill();
    await watch.exited;
    await reading;
    const others = (await podsOf('web')).filter(pod => pod.metadata.name !== name);
    expect(others.map(pod => pod.status.podIP)).not.toContain(replacement.status.podIP);
    const dns = lab.report.pods.find(pod => pod.key.startsWith('shop/dns-'));
    await eventually('the replacement to be reachable', 5_000, async () =>
      (await fate(dns?.key ?? '', replacement.status.podIP, 8080)) === 'open' ? true : undefined,
    );
    // And the policies hold for it.
    expect(
      await Promise.all([
        fate('ops/idle', replacement.status.podIP, 8080),
        fate(dns?.key ?? '', replacement.status.podIP, 9090),
      ]),
    ).toEqual(['closed', 'closed']);
  });

  test('rollout restart replaces every pod, and rollout status waits for it', async () => {
    const before = (await podsOf('web')).map(pod => pod.metadata.uid);
    await lab.kubectl('rollout restart deployment/web -n shop');
    expect(await lab.kubectl('rollout status deployment/web -n shop --timeout=30s')).toContain(
      'successfully rolled out',
    );
    const after = await eventually('two new pods alone', 10_000, async () => {
      const pods = await podsOf('web');
      return pods.length === 2 && pods.every(pod => !before.includes(pod.metadata.uid)) ? pods : undefined;
    });
    const dns = lab.report.pods.find(pod => pod.key.startsWith('shop/dns-'));
    for (const { status } of after) expect(await fate(dns?.key ?? '', status.podIP, 8080)).toBe('open');
  });

  test('scale: up to four over both nodes, down to one', async () => {
    await lab.kubectl('scale deployment/web -n shop --replicas=4');
    await lab.kubectl('rollout status deployment/web -n shop --timeout=30s');
    const four = await podsOf('web');
    expect(four).toHaveLength(4);
    expect(new Set(four.map(pod => pod.spec.nodeName))).toEqual(new Set(['node1', 'node2']));
    expect(new Set(four.map(pod => pod.status.podIP)).size).toBe(4);
    await lab.kubectl('scale deployment/web -n shop --replicas=1');
    const [left] = await eventually('one pod', 10_000, async () => {
      const pods = await podsOf('web');
      return pods.length === 1 ? pods : undefined;
    });
    const dns = lab.report.pods.find(pod => pod.key.startsWith('shop/dns-'));
    const targets = four.map(pod => tcp(pod.status.podIP, 8080));
    const expected = four.map(pod => (pod.metadata.uid === left?.metadata.uid ? 'open' : 'closed'));
    await eventually('the one pod that is left to be open, alone', 10_000, async () => {
      const fates = (await lab.probe(dns?.key ?? '', targets)).map(found => found.fate);
      return Bun.deepEquals(fates, expected) ? true : undefined;
    });
    expect(await lab.kubectl('get deployment web -n shop')).toMatch(/web +1\/1 +1 +1/);
  });

  test('label pod: its packets follow within a second, there and back', async () => {
    const [web] = await podsOf('web');
    const watch = lab.watch('ops/idle', web?.status.podIP ?? '', 8080);
    try {
      await watch.when('closed', 5_000);
      await lab.kubectl('label pod -n ops idle role=busy --overwrite');
      expect(await watch.when('open', 5_000)).toBeLessThan(1_000);
      await lab.kubectl('label pod -n ops idle role=idle --overwrite');
      expect(await watch.when('closed', 5_000)).toBeLessThan(1_000);
    } finally {
      await watch.close();
    }
  });

  test('apply a policy, change it, delete it: packets follow within a second', async () => {
    const collectors = await podsOf('collector', 'ops');
    const target = collectors[0]?.status.podIP ?? '';
    const dns = lab.report.pods.find(pod => pod.key.startsWith('shop/dns-'))?.key ?? '';
    const policy = (app: string) => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: collector, namespace: ops}
spec:
  podSelector: {matchLabels: {app: collector}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchLabels: {app: ${app}}}}]}]
`;
    const watch = lab.watch(dns, target, 80);
    try {
      await watch.when('open', 5_000);
      await lab.kubectl('apply -f -', policy('web'));
      expect(await watch.when('closed', 5_000)).toBeLessThan(1_000);
      await lab.kubectl('apply -f -', policy('dns'));
      expect(await watch.when('open', 5_000)).toBeLessThan(1_000);
      await lab.kubectl('apply -f -', policy('web'));
      await watch.when('closed', 5_000);
      await lab.kubectl('delete networkpolicies.networking.k8s.io -n ops collector');
      expect(await watch.when('open', 5_000)).toBeLessThan(1_000);
    } finally {
      await watch.close();
    }
  });

  test('a Calico policy in a tier of its own, applied and deleted', async () => {
    const collectors = await podsOf('collector', 'ops');
    const dns = lab.report.pods.find(pod => pod.key.startsWith('shop/dns-'))?.key ?? '';
    const watch = lab.watch(dns, collectors[0]?.status.podIP ?? '', 80);
    try {
      await watch.when('open', 5_000);
      await lab.kubectl(
        'apply -f -',
        `
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: night}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: night.closed}
spec: {tier: night, selector: app == 'collector', types: [Ingress], ingress: [{action: Deny}]}
`,
      );
      expect(await watch.when('closed', 5_000)).toBeLessThan(1_000);
      await lab.kubectl('delete globalnetworkpolicies.projectcalico.org night.closed');
      expect(await watch.when('open', 5_000)).toBeLessThan(1_000);
      await lab.kubectl('delete tiers.projectcalico.org night');
    } finally {
      await watch.close();
    }
  });

  const bad = [
    { name: 'YAML that does not parse', text: 'a: [', says: 'yaml' },
    { name: 'an unknown field', text: policyWith('{selektor: all()}'), says: 'selektor' },
    { name: 'a bad selector', text: policyWith('{selector: "a =="}'), says: 'spec.selector' },
    {
      name: 'a bad CIDR',
      text: policyWith('{selector: all(), ingress: [{action: Deny, source: {nets: [10.0.0.0/99]}}]}'),
      says: 'nets[0]',
    },
    {
      name: 'an http match',
      text: policyWith('{selector: all(), ingress: [{action: Allow, protocol: TCP, http: {methods: [GET]}}]}'),
      says: 'spec.ingress[0].http',
    },
    {
      name: 'a policy of host endpoints',
      text: policyWith('{selector: all(), applyOnForward: true, preDNAT: true, ingress: [{action: Deny}]}'),
      says: 'spec.',
    },
    { name: 'a tier that does not exist', text: policyWith('{tier: nowhere, selector: all()}'), says: 'nowhere' },
    {
      name: 'a namespace that does not exist',
      text: 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad, namespace: nowhere}\nspec: {podSelector: {}}\n',
      says: 'nowhere',
    },
    {
      name: 'a kind that is not served',
      text: 'apiVersion: batch/v1\nkind: Job\nmetadata: {name: bad}\n',
      says: 'error',
    },
  ];

  function policyWith(spec: string): string {
    return `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: bad}\nspec: ${spec}\n`;
  }

  test('what is bad is refused with its reason, nothing of it is stored, and every packet goes as before', async () => {
    const from = lab.report.pods.map(pod => pod.key).filter(key => /dns|idle/.test(key));
    const targets = (await podsOf('collector', 'ops')).map(pod => tcp(pod.status.podIP, 80));
    const fates = () => Promise.all(from.map(async key => (await lab.probe(key, targets)).map(found => found.fate)));
    const before = await fates();
    for (const { name, text, says } of bad) {
      const { exitCode, stderr } = await lab.tryKubectl('apply -f -', text);
      expect(exitCode, name).toBe(1);
      expect(stderr.toLowerCase(), name).toContain(says.toLowerCase());
    }
    expect(await lab.kubectl('get globalnetworkpolicies.projectcalico.org -o name')).not.toContain('bad');
    expect(await fates()).toEqual(before);
  });

  test('without the token, and with another, nothing is told', async () => {
    const server = (await lab.kubectl('config view -o jsonpath={.clusters[0].cluster.server}')).trim();
    for (const headers of [{}, { Authorization: 'Bearer wrong' }]) {
      const answer = await fetch(`${server}/api/v1/pods`, { headers, tls: { rejectUnauthorized: false } });
      expect(answer.status).toBe(401);
    }
  });
});
