'use strict';

const assert = require('node:assert/strict');
const { host, zip, step, has, eventually } = require('../report');
const { refused } = require('./refused');

const SERVICE = 'js2-configs';
const RESOURCE = `${host.account}#${SERVICE}#prod#f`;
const ACTION = { name: 'nightly', startTime: '2026-01-01T00:00:00Z', endTime: '2036-01-01T00:00:00Z', target: 2, scheduleExpression: 'cron(0 0 22 * * *)' };
const POLICY = { name: 'busy', metricType: 'ProvisionedConcurrencyUtilization', metricTarget: 0.6, minCapacity: 1, maxCapacity: 3,
  startTime: '2026-01-01T00:00:00Z', endTime: '2036-01-01T00:00:00Z' };

module.exports = async (fc) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  await fc.createService(SERVICE).catch(() => {});
  await fc.createFunction(SERVICE, { functionName: 'f', runtime: 'custom', handler: 'h', code }).catch(() => {});
  await fc.publishVersion(SERVICE).catch(() => {});
  await fc.createAlias(SERVICE, 'prod', '1').catch(() => {});
  const put = (options) => fc.putProvisionConfig(SERVICE, 'f', 'prod', options);
  const get = async () => (await fc.getProvisionConfig(SERVICE, 'f', 'prod')).data;

  await step('putProvisionConfig keeps instances that live before anybody calls', async () => {
    has((await put({ target: 2 })).data, { resource: RESOURCE, target: 2 });
    await eventually('two instances are kept', async () => (await get()).current === 2);
    const { data } = await fc.listInstances(SERVICE, 'f', 'prod');
    assert.equal(data.instances.length, 2, JSON.stringify(data));
  });
  await step('scheduled actions and target tracking policies read back', async () => {
    const options = { target: 1, scheduledActions: [ACTION], targetTrackingPolicies: [POLICY], alwaysAllocateCPU: true };
    has((await put(options)).data, { resource: RESOURCE, ...options });
    has(await get(), { resource: RESOURCE, ...options });
  });
  await step('listProvisionConfigs finds it by service and qualifier', async () => {
    const found = async (options) => (await fc.listProvisionConfigs(options)).data.provisionConfigs.map((it) => it.resource);
    assert.deepEqual(await found({ serviceName: SERVICE }), [RESOURCE]);
    assert.deepEqual(await found({ serviceName: SERVICE, qualifier: 'prod', limit: 5 }), [RESOURCE]);
    assert.deepEqual(await found({ serviceName: SERVICE, qualifier: 'other' }), []);
    assert.ok((await found({ limit: 100 })).includes(RESOURCE));
  });
  await step('what is wrong with a provision config is named in the service\'s words', async () => {
    const actions = (count, name) => Array.from({ length: count }, (_, index) => ({ ...ACTION, name: name ?? `a${index}` }));
    await refused(put({ target: 1, scheduledActions: actions(2, 'x') }), 400, 'InvalidArgument', "Duplicate action name 'x' in ScheduledActions is not allowed");
    await refused(put({ target: 1, scheduledActions: [{ ...ACTION, startTime: '2020-10-10T10:10:10' }] }), 400, 'InvalidArgument',
      "The StartTime is not in UTC time format (example: '2020-10-10T10:10:10Z', actual: '2020-10-10T10:10:10')");
    await refused(put({ target: 1, scheduledActions: [{ ...ACTION, scheduleExpression: 'often' }] }), 400, 'InvalidArgument',
      "The ScheduleExpression should be atTime or cron expression (example: ['at(2020-10-10T10:10:10Z)', 'cron(0 */30 * * * *)'], actual: 'often')");
    await refused(put({ target: 1, scheduledActions: actions(110) }), 400, 'InvalidArgument',
      'ScheduledActions contains too many values (max: 100, actual: 110)');
    await refused(put({ target: -1 }), 400, 'InvalidArgument', /target/i);
    await refused(put({ target: 10_001 }), 400, 'InvalidArgument', /target/i);
    await refused(put({ target: 'some' }), 400, 'InvalidArgument', /target/i);
    await refused(fc.putProvisionConfig(SERVICE, 'f', 'none', { target: 1 }), 404, 'AliasNotFound');
    await refused(fc.putProvisionConfig(SERVICE, 'none', 'prod', { target: 1 }), 404, 'FunctionNotFound');
    has(await get(), { target: 1 });
  });
  await step('a target of 0 lets the instances go', async () => {
    await put({ target: 0, scheduledActions: [], targetTrackingPolicies: [] });
    await eventually('no instance is kept', async () => (await get()).current === 0);
    await fc.delete(`/services/${SERVICE}.prod/functions/f/provision-config`);
  });
  await step('an on-demand config limits instances; put, get, list and delete', async () => {
    const wanted = { resource: RESOURCE, maximumInstanceCount: 3 };
    has((await fc.putOnDemandConfig(SERVICE, 'f', 'prod', { maximumInstanceCount: 3 })).data, wanted);
    has((await fc.getOnDemandConfig(SERVICE, 'f', 'prod')).data, wanted);
    const found = (await fc.listOnDemandConfigs({ limit: 100 })).data.configs.find((it) => it.resource === RESOURCE);
    has(found, wanted);
    await refused(fc.putOnDemandConfig(SERVICE, 'f', 'prod', { maximumInstanceCount: -1 }), 400, 'InvalidArgument', /maximumInstanceCount/i);
    assert.equal((await fc.deleteOnDemandConfig(SERVICE, 'f', 'prod')).data, '');
    await refused(fc.getOnDemandConfig(SERVICE, 'f', 'prod'), 404, 'OnDemandConfigNotFound');
  });
  await step('an on-demand limit of 0 throttles every call', async () => {
    await fc.putOnDemandConfig(SERVICE, 'f', 'prod', { maximumInstanceCount: 0 });
    await refused(fc.invokeFunction(SERVICE, 'f', 'echo', {}, 'prod'), 429, 'ResourceExhausted');
    assert.equal((await fc.invokeFunction(SERVICE, 'f', 'echo')).data, 'echo', 'LATEST has no such limit');
    await fc.deleteOnDemandConfig(SERVICE, 'f', 'prod');
    assert.equal((await fc.invokeFunction(SERVICE, 'f', 'echo', {}, 'prod')).data, 'echo');
  });
  await fc.deleteAlias(SERVICE, 'prod').catch(() => {});
  await fc.deleteVersion(SERVICE, '1').catch(() => {});
  await fc.deleteFunction(SERVICE, 'f').catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
