'use strict';

const assert = require('node:assert/strict');
const { host, step, has, eventually } = require('../report');
const { FC, request, wire, refused, gone, create, invoke } = require('./shared');

const NAME = 'js3-configs';
const ARN = `acs:fc:${host.region}:${host.account}:functions/${NAME}`;
const WINDOW = { startTime: '2026-01-01T00:00:00Z', endTime: '2036-01-01T00:00:00Z' };

module.exports = async (fc) => {
  await create(fc, NAME).catch(() => {});
  const put = (fields, qualifier = 'LATEST') => fc.putProvisionConfig(NAME, request('PutProvisionConfig', { qualifier, body: new FC.PutProvisionConfigInput(fields) }));
  const get = async () => wire(await fc.getProvisionConfig(NAME, request('GetProvisionConfig', { qualifier: 'LATEST' })));

  await step('putProvisionConfig keeps instances; getProvisionConfig and listProvisionConfigs tell', async () => {
    const scheduledActions = [{ name: 'nightly', target: 2, scheduleExpression: 'cron(0 0 22 * * *)', ...WINDOW }];
    const targetTrackingPolicies = [{ name: 'busy', metricType: 'ProvisionedConcurrencyUtilization', metricTarget: 0.6, minCapacity: 1, maxCapacity: 3, ...WINDOW }];
    const wanted = { target: 1, scheduledActions, targetTrackingPolicies, alwaysAllocateCPU: true };
    has(wire(await put(wanted)), wanted);
    const it = await eventually('an instance is kept', async () => {
      const now = await get();
      return now.current >= 1 && now;
    });
    has(it, wanted);
    assert.ok(it.functionArn.startsWith(ARN), it.functionArn);
    const { provisionConfigs } = wire(await fc.listProvisionConfigs(request('ListProvisionConfigs', { functionName: NAME, limit: 5 })));
    has(provisionConfigs, [{ target: 1 }]);
  });
  await step('what is wrong with a provision config is named; deleteProvisionConfig answers 204', async () => {
    await refused(put({ target: -1 }), 400, 'InvalidArgument', /target/i);
    await refused(put({ target: 1 }, 'none'), 404, 'AliasNotFound');
    gone(await fc.deleteProvisionConfig(NAME, request('DeleteProvisionConfig', { qualifier: 'LATEST' })));
    const { provisionConfigs } = wire(await fc.listProvisionConfigs(request('ListProvisionConfigs', { functionName: NAME })));
    assert.deepEqual(provisionConfigs ?? [], []);
  });
  await step('reserved concurrency: put, get, list, its effect, and delete', async () => {
    const reserve = (reservedConcurrency) => fc.putConcurrencyConfig(NAME, request('PutConcurrencyConfig', { body: new FC.PutConcurrencyInput({ reservedConcurrency }) }));
    has(wire(await reserve(7)), { functionArn: ARN, reservedConcurrency: 7 });
    has(wire(await fc.getConcurrencyConfig(NAME)), { functionArn: ARN, reservedConcurrency: 7 });
    const { configs } = wire(await fc.listConcurrencyConfigs(request('ListConcurrencyConfigs', { functionName: NAME })));
    has(configs, [{ functionArn: ARN, reservedConcurrency: 7 }]);
    await reserve(0);
    await refused(invoke(fc, NAME, 'echo'), 429, 'ResourceExhausted');
    await refused(reserve(-1), 400, 'InvalidArgument', /reservedConcurrency/i);
    gone(await fc.deleteConcurrencyConfig(NAME));
    assert.equal((await invoke(fc, NAME, 'echo')).text, 'echo');
  });
  await step('scaling: put, get, list and delete', async () => {
    const qualifier = 'LATEST';
    const body = new FC.PutScalingConfigInput({ minInstances: 1, enableOnDemandScaling: true });
    await fc.putScalingConfig(NAME, request('PutScalingConfig', { qualifier, body }));
    await fc.getScalingConfig(NAME, request('GetScalingConfig', { qualifier }));
    const { scalingConfigs } = wire(await fc.listScalingConfigs(request('ListScalingConfigs', { functionName: NAME })));
    has(scalingConfigs, [{ minInstances: 1 }]);
    await eventually('the least number of instances lives', async () => {
      const { instances } = wire(await fc.listInstances(NAME, request('ListInstances', { qualifier })));
      return instances?.length >= 1;
    });
    gone(await fc.deleteScalingConfig(NAME, request('DeleteScalingConfig', { qualifier })));
  });
  await fc.deleteFunction(NAME).catch(() => {});
};
