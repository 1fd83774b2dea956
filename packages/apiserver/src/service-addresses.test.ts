import { afterEach, beforeEach, expect, test } from 'bun:test';
import { serviceAddresses } from './service-addresses.ts';
import { startTestServer, type TestServer } from './testing.ts';

const SERVICES = '/api/v1/namespaces/default/services';
let t: TestServer;
beforeEach(async () => {
  t = await startTestServer({ serviceCidr: '10.8.0.0/28' });
});
afterEach(async () => {
  expect(t.log.errors).toEqual([]);
  await t.server.stop();
});

const service = (name: string, spec: object = {}) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
const make = (name: string, spec: object = {}) => t.call('POST', SERVICES, service(name, spec));
const merge = { 'content-type': 'application/merge-patch+json' };
const patch = (name: string, spec: object) => t.call('PATCH', `${SERVICES}/${name}`, { spec }, merge);

test('a new service has its defaults and an address of the range, as Kubernetes shows them', async () => {
  const { body } = await make('web');
  const clusterIP = body.spec?.clusterIP as unknown as string;
  expect(clusterIP).toMatch(/^10\.8\.0\.([1-9]|1[0-4])$/);
  expect(body.spec as unknown).toEqual({
    type: 'ClusterIP',
    clusterIP,
    clusterIPs: [clusterIP],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
    sessionAffinity: 'None',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  });
});

test('every address is given once, and is free again when its service is deleted', async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 14; i++) seen.add(String((await make(`s${i}`)).body.spec?.clusterIP));
  expect(seen.size).toBe(14);
  const full = await make('more');
  expect([full.code, full.body.message as unknown]).toEqual([
    422,
    expect.stringContaining('range 10.8.0.0/28 is full'),
  ]);
  await t.call('DELETE', `${SERVICES}/s3`);
  expect((await make('more')).code).toBe(201);
});

test('an update keeps the address, an update without it too, and another one is refused', async () => {
  const { body } = await make('kept');
  const put = await t.call('PUT', `${SERVICES}/kept`, service('kept', { selector: { a: 'b' } }));
  expect(put.body.spec?.clusterIP).toBe(body.spec?.clusterIP as never);
  const other = String(body.spec?.clusterIP) === '10.8.0.9' ? '10.8.0.10' : '10.8.0.9';
  expect((await patch('kept', { clusterIP: other, clusterIPs: null })).code).toBe(422);
});

test('a headless service has None; one that becomes an ExternalName lets its address go', async () => {
  const headless = await make('headless', { clusterIP: 'None' });
  expect(headless.body.spec as unknown).toMatchObject({ clusterIP: 'None', clusterIPs: ['None'] });
  await make('away');
  const external = await patch('away', { type: 'ExternalName', externalName: 'example.com' });
  expect([external.code, external.body.spec?.clusterIP]).toEqual([200, undefined] as never);
  const back = await patch('away', { type: 'ClusterIP', externalName: null });
  expect(String(back.body.spec?.clusterIP)).toStartWith('10.8.0.');
});

test('node ports are handed out, kept and unique', async () => {
  const one = await make('np', { type: 'NodePort' });
  const port = Number(one.body.spec?.ports?.[0 as never]?.nodePort);
  expect(port >= 30_000 && port <= 32_767).toBe(true);
  const kept = await patch('np', { ports: [{ port: 80, targetPort: 8080 }] });
  expect(kept.body.spec?.ports?.[0 as never]?.nodePort as unknown).toBe(port);
  expect((await make('taken', { type: 'NodePort', ports: [{ port: 1, nodePort: port }] })).code).toBe(422);
});

test.each([
  [{ clusterIP: '10.9.0.1' }, 'it is not in the valid range; the range of valid IPs is 10.8.0.0/28'],
  [{ clusterIP: '10.8.0.5' }, 'provided IP is already allocated'],
  [{ clusterIP: 'x' }, 'it is no IP address'],
  [{ clusterIP: '10.8.0.6', clusterIPs: ['10.8.0.7'] }, 'the first one must be spec.clusterIP'],
  [{ ipFamilies: ['IPv6'] }, '"IPv6": not configured on this cluster'],
  [{ type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] }, 'The range of valid ports is 30000-32767'],
])('a service with %j is refused: %s', async (spec, why) => {
  expect((await make('holder', { clusterIP: '10.8.0.5' })).code).toBe(201);
  const { code, body } = await make('bad', spec);
  expect([code, body.message as unknown]).toEqual([422, expect.stringContaining(why)]);
});

test.each(['10.0.0.0/30', 'fd00::/108', 'x'])('%s is no range for services', cidr => {
  expect(() => serviceAddresses(cidr)).toThrow('allowed: an IPv4 CIDR');
});
