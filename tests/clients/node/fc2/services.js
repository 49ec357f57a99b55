'use strict';

const assert = require('node:assert/strict');
const { step, has, recent, requestId } = require('../report');
const { refused } = require('./refused');

const FULL = {
  description: 'a service with everything',
  role: 'acs:ram::1234:role/fc-test',
  internetAccess: false,
  logConfig: { project: 'p', logstore: 'l', enableRequestMetrics: true, enableInstanceMetrics: true },
  vpcConfig: { vpcId: 'vpc-x', vSwitchIds: ['vsw-x'], securityGroupId: 'sg-x' },
  nasConfig: { userId: 100, groupId: 100, mountPoints: [{ serverAddr: 'h:/', mountDir: '/home/test' }] },
  tracingConfig: { type: 'Jaeger', params: { endpoint: 'http://jaeger.example/api' } },
};

module.exports = async (fc) => {
  await step('createService answers the service with its defaults', async () => {
    const { headers, data } = await fc.createService('js2-plain');
    has(data, { serviceName: 'js2-plain', description: '', internetAccess: true });
    assert.ok(data.serviceId.length > 8, `serviceId ${data.serviceId}`);
    recent(data.createdTime, 'createdTime');
    recent(data.lastModifiedTime, 'lastModifiedTime');
    assert.ok(headers.etag, 'the answer has no etag');
    requestId(headers['x-fc-request-id']);
  });
  await step('getService reads back every field that createService set', async () => {
    has((await fc.createService('js2-full', FULL)).data, FULL);
    has((await fc.getService('js2-full')).data, FULL);
    has((await fc.getService('js2-full', {}, 'LATEST')).data, FULL);
  });
  await step('updateService changes what it is given and nothing else', async () => {
    const before = await fc.getService('js2-full');
    const after = await fc.updateService('js2-full', { description: 'changed' });
    has(after.data, { ...FULL, description: 'changed', serviceId: before.data.serviceId, createdTime: before.data.createdTime });
    assert.ok(Date.parse(after.data.lastModifiedTime) >= Date.parse(before.data.lastModifiedTime));
    assert.notEqual(after.headers.etag, before.headers.etag);
    assert.equal((await fc.getService('js2-full')).headers.etag, after.headers.etag);
  });
  await step('an empty tracingConfig resets it to nulls', async () => {
    const { data } = await fc.updateService('js2-full', { tracingConfig: {} });
    assert.deepEqual(data.tracingConfig, { type: null, params: null });
  });
  await step('nulls are as if absent, unknown fields are ignored', async () => {
    const { data } = await fc.updateService('js2-full', { description: null, role: null, noSuchField: { a: 1 } });
    has(data, { description: 'changed', role: FULL.role });
    assert.equal('noSuchField' in data, false);
  });
  await step('If-Match guards updateService and deleteService', async () => {
    const { headers } = await fc.getService('js2-plain');
    await refused(fc.updateService('js2-plain', { description: 'x' }, { 'if-match': 'stale' }), 412, 'PreconditionFailed');
    await fc.updateService('js2-plain', { description: 'guarded' }, { 'if-match': headers.etag });
    await refused(fc.deleteService('js2-plain', { 'if-match': headers.etag }), 412, 'PreconditionFailed');
    has((await fc.getService('js2-plain')).data, { description: 'guarded' });
  });
  await step('listServices is ordered by name and pages by limit and nextToken', async () => {
    for (const name of ['js2-list-b', 'js2-list-a', 'js2-list-d', 'js2-list-c']) await fc.createService(name);
    const names = ({ data }) => data.services.map((service) => service.serviceName);
    const first = await fc.listServices({ prefix: 'js2-list-', limit: 3 });
    assert.deepEqual(names(first), ['js2-list-a', 'js2-list-b', 'js2-list-c']);
    assert.ok(first.data.nextToken, 'a page before the last has a nextToken');
    const second = await fc.listServices({ prefix: 'js2-list-', limit: 3, nextToken: first.data.nextToken });
    assert.deepEqual(names(second), ['js2-list-d']);
    assert.ok(!second.data.nextToken, 'the last page has no nextToken');
    assert.deepEqual(names(await fc.listServices({ prefix: 'js2-list-', startKey: 'js2-list-c' })), ['js2-list-c', 'js2-list-d']);
    assert.deepEqual(names(await fc.listServices({ prefix: 'js2-none-' })), []);
    recent(first.data.services[0].createdTime, 'createdTime');
  });
  await step('listServices refuses a limit beyond 100, a limit that is no number and a made-up nextToken', async () => {
    await refused(fc.listServices({ limit: 101 }), 400, 'InvalidArgument', /limit/i);
    await refused(fc.listServices({ limit: 'many' }), 400, 'InvalidArgument', /limit/i);
    await refused(fc.listServices({ nextToken: '%%%' }), 400, 'InvalidArgument', /nextToken/i);
  });
  await step('what is wrong with a service is named', async () => {
    await refused(fc.createService('js2-plain'), 409, 'ServiceAlreadyExists', /js2-plain/);
    await refused(fc.createService('1-digit-first'), 400, 'InvalidArgument', /1-digit-first/);
    await refused(fc.createService('with space'), 400, 'InvalidArgument');
    await refused(fc.createService('s'.repeat(129)), 400, 'InvalidArgument');
    await refused(fc.createService('js2-bad', { description: 'd'.repeat(257) }), 400, 'InvalidArgument', /description/i);
    await refused(fc.createService('js2-bad', { internetAccess: 'perhaps' }), 400, 'InvalidArgument', /internetAccess/i);
    await refused(fc.post('/services', '{"serviceName": ', {}), 400, 'InvalidArgument');
    await refused(fc.getService('js2-none'), 404, 'ServiceNotFound', "service 'js2-none' does not exist");
    await refused(fc.updateService('js2-none', {}), 404, 'ServiceNotFound');
    await refused(fc.deleteService('js2-none'), 404, 'ServiceNotFound');
    await refused(fc.getService('js2-plain', {}, '7'), 404, 'VersionNotFound', "version '7' of service 'js2-plain' does not exist");
    await refused(fc.getService('js2-plain', {}, 'prod'), 404, 'AliasNotFound', "alias 'prod' of service 'js2-plain' does not exist");
  });
  await step('deleteService answers 204 and the service is gone', async () => {
    for (const name of ['js2-plain', 'js2-full', 'js2-list-a', 'js2-list-b', 'js2-list-c', 'js2-list-d']) {
      const { headers, data } = await fc.deleteService(name);
      assert.equal(data, '');
      requestId(headers['x-fc-request-id']);
      await refused(fc.getService(name), 404, 'ServiceNotFound');
    }
  });
};
