/** The real kubectl against a server over TLS. */
import { afterAll, beforeAll, expect } from 'bun:test';
import { type KubectlServer, kubectlTest, startKubectlServer, table } from './testing-kubectl.ts';

let server: KubectlServer;
beforeAll(async () => {
  server = await startKubectlServer();
});
afterAll(() => server.stop());

const kubectl = (command: string, stdin = '', code = 0) => server.kubectl(command, stdin, code);
const spawn = (args: readonly string[]) => server.spawn(args);
const secureCall = (method: string, path: string, body?: unknown) => server.call(method, path, body);

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

const manifests = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web:1, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template: {metadata: {labels: {app: api}}, spec: {containers: [{name: api, image: api:1}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: apps}
spec: {order: 100}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {tier: apps, selector: app == 'web', ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: all}
spec: {selector: all(), egress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.244.0.0/16, vxlanMode: Always}
`;

kubectlTest(
  'kubectl apply makes every kind, and changes only what changed',
  async () => {
    const first = table(await kubectl('apply -f -', manifests));
    expect(first.filter(line => !line.endsWith(' created'))).toEqual([]);
    expect(first).toHaveLength(11);
    const second = table(await kubectl('apply -f -', manifests.replace('order: 100', 'order: 200')));
    expect(second).toContain('tier.projectcalico.org/apps configured');
    expect(second).toContain('pod/web-0 unchanged');
  },
  20_000,
);

kubectlTest(
  'kubectl get prints the tables of the server, YAML and JSON',
  async () => {
    expect(table(await kubectl('get pods -n shop -o wide'))).toEqual([
      'NAME | READY | STATUS | RESTARTS | AGE | IP | NODE | NOMINATED NODE | READINESS GATES',
      'web-0 | 0/1 | Pending | 0 | 0s | <none> | <none> | <none> | <none>',
    ]);
    expect(table(await kubectl('get tiers'))[1]).toStartWith('apps | 200 | Deny');
    expect(await kubectl('get ippools pool -o yaml')).toContain('cidr: 10.244.0.0/16');
    expect(JSON.parse(await kubectl('get networkpolicies.projectcalico.org -n shop -o json')).items).toHaveLength(1);
    expect(await kubectl('get networkpolicies,deploy,svc,sa -n shop -o name')).toContain('deployment.apps/api');
    expect(await kubectl('get ns,nodes -l kubernetes.io/metadata.name=shop')).toContain('shop');
    expect(await kubectl('get ippool none', '', 1)).toContain('ippools.projectcalico.org "none" not found');
  },
  20_000,
);

kubectlTest(
  'kubectl describes every kind',
  async () => {
    for (const object of [
      'ns/shop',
      'node/n1',
      'sa/web',
      'pod/web-0',
      'svc/web',
      'deploy/api',
      'networkpolicies.networking.k8s.io/web',
      'networkpolicies.projectcalico.org/web',
      'globalnetworkpolicies/all',
      'ippools/pool',
      'tiers/apps',
    ]) {
      const text = await kubectl(`describe -n shop ${object}`);
      expect(text).toMatch(new RegExp(`Name:\\s+${object.split('/')[1]}`));
    }
  },
  20_000,
);

kubectlTest(
  'kubectl labels, annotates, patches and scales',
  async () => {
    await kubectl('label pod web-0 -n shop tier=front');
    await kubectl('annotate pod web-0 -n shop note=hello');
    await kubectl(`patch pod web-0 -n shop -p '{"metadata":{"labels":{"a":"1"}}}'`);
    await kubectl(`patch ippool pool --type merge -p '{"spec":{"natOutgoing":true}}'`);
    await kubectl(`patch ippool pool --type json -p '[{"op":"replace","path":"/spec/natOutgoing","value":false}]'`);
    expect(await kubectl('get pod web-0 -n shop --show-labels')).toContain('a=1,app=web,tier=front');
    await kubectl('scale deploy api -n shop --replicas=3');
    await kubectl('set image deploy/api -n shop api=api:2');
    expect(
      await kubectl(`get deploy api -n shop -o jsonpath='{.spec.replicas}{.spec.template.spec.containers[0].image}'`),
    ).toBe('3api:2');
  },
  20_000,
);

kubectlTest(
  'kubectl rollout restarts a deployment and waits for its status',
  async () => {
    await kubectl('rollout restart deploy/api -n shop');
    const path = '/apis/apps/v1/namespaces/shop/deployments/api';
    const waiting = kubectl('rollout status deploy/api -n shop --timeout=10s');
    const { body } = await secureCall('GET', path);
    expect(JSON.stringify(body)).toContain('kubectl.kubernetes.io/restartedAt');
    const generation = (body as { metadata: { generation: number } }).metadata.generation;
    const counts = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
    await secureCall('PATCH', `${path}/status`, { status: { ...counts, observedGeneration: generation } });
    expect(await waiting).toContain('successfully rolled out');
  },
  20_000,
);

kubectlTest(
  'kubectl creates what it builds itself',
  async () => {
    await kubectl('create namespace made');
    await kubectl('create serviceaccount made -n made');
    await kubectl('create configmap made --from-literal=k=v -n made');
    await kubectl('create deployment made --image=made:1 --replicas=0 --port=80 -n made');
    await kubectl('create service clusterip made --tcp=80:8080 -n made');
    await kubectl('run made --image=made:1 -n made');
    expect(await kubectl('get deploy made -n made')).toContain('0/0');
    expect(await kubectl(`get svc made -n made -o jsonpath='{.spec.ports[0].targetPort}'`)).toBe('8080');
    expect(await kubectl('create namespace made', '', 1)).toContain('namespaces "made" already exists');
  },
  20_000,
);

kubectlTest(
  'kubectl tells what is wrong with an object',
  async () => {
    const pool = 'apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: bad}\nspec: {cidr: 10.1.2.3/16}\n';
    expect(await kubectl('create -f -', pool, 1)).toStartWith(
      'The IPPool "bad" is invalid: spec.cidr: Invalid value: "10.1.2.3/16"',
    );
    const unknown = pool.replace('10.1.2.3/16', '10.1.0.0/16, colour: red');
    expect(await kubectl('apply -f -', unknown, 1)).toContain('unknown field "spec.colour"');
    expect(await kubectl('delete tier default', '', 1)).toContain('built-in tiers cannot be deleted');
  },
  20_000,
);

kubectlTest(
  'kubectl lists resources and explains them',
  async () => {
    const resources = await kubectl('api-resources');
    expect(resources).toMatch(/ippools\s+projectcalico.org\/v3\s+false\s+IPPool/);
    expect(await kubectl('explain ippool.spec.vxlanMode')).toContain('CrossSubnet');
    expect(await kubectl('auth can-i create pods')).toBe('yes\n');
    expect(await kubectl('version')).toContain('Server Version: v1.32');
  },
  20_000,
);

kubectlTest(
  'kubectl get -w follows changes and kubectl delete ends them',
  async () => {
    const child = spawn(['get', 'pods', '-n', 'shop', '-w', '--no-headers', '-o', 'name']);
    const lines = linesOf(child.stdout);
    const nextLine = async () => (await lines.next()).value;
    expect(await nextLine()).toBe('pod/web-0');
    await kubectl('label pod web-0 -n shop seen=yes');
    expect(await nextLine()).toBe('pod/web-0');
    expect(await kubectl('delete pod web-0 -n shop')).toContain('pod "web-0" deleted');
    expect(await nextLine()).toBe('pod/web-0');
    child.kill();
    await child.exited;
    await kubectl('delete namespace shop made');
    expect(await kubectl('get all -A')).toContain('No resources found');
    expect(table(await kubectl('delete ippool,globalnetworkpolicy --all'))).toHaveLength(2);
  },
  20_000,
);
