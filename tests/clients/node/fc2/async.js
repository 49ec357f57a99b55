'use strict';

const assert = require('node:assert/strict');
const { host, zip, step, has, recent, eventually } = require('../report');
const { refused, clashes, fails } = require('./refused');

const SERVICE = 'js2-async';
const DESTINATION = `acs:fc:${host.region}:${host.account}:services/${SERVICE}/functions/after`;
const CONFIG = { destinationConfig: { onSuccess: { destination: DESTINATION }, onFailure: { destination: DESTINATION } },
  maxAsyncEventAgeInSeconds: 300, maxAsyncRetryAttempts: 0, statefulInvocation: true };
const ASYNC = { 'x-fc-invocation-type': 'Async' };

module.exports = async (fc) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  await fc.createService(SERVICE).catch(() => {});
  for (const functionName of ['f', 'after']) {
    await fc.createFunction(SERVICE, { functionName, runtime: 'custom', handler: 'h', code, timeout: 60 }).catch(() => {});
  }
  const tasks = `/services/${SERVICE}/functions/f/stateful-async-invocations`;
  const task = async (id) => (await fc.get(`${tasks}/${id}`)).data;
  const submit = (id, event) => fc.invokeFunction(SERVICE, 'f', event, { ...ASYNC, 'x-fc-stateful-async-invocation-id': id });
  const ended = (id, status) => eventually(`${id} is ${status}`, async () => {
    const it = await task(id);
    return it.status === status && it;
  });

  await step('putFunctionAsyncConfig, getFunctionAsyncConfig and listFunctionAsyncConfigs', async () => {
    const { data } = await fc.putFunctionAsyncConfig(SERVICE, 'f', 'LATEST', CONFIG);
    has(data, { ...CONFIG, service: SERVICE, function: 'f', qualifier: 'LATEST' });
    recent(data.createdTime, 'createdTime');
    recent(data.lastModifiedTime, 'lastModifiedTime');
    has((await fc.getFunctionAsyncConfig(SERVICE, 'f', 'LATEST')).data, CONFIG);
    has((await fc.getFunctionAsyncConfig(SERVICE, 'f')).data, CONFIG);
    has((await fc.listFunctionAsyncConfigs(SERVICE, 'f', { limit: 10 })).data.configs, [{ qualifier: 'LATEST', ...CONFIG }]);
  });
  await step('what is wrong with an async config is named', async () => {
    const put = (options) => fc.putFunctionAsyncConfig(SERVICE, 'f', 'LATEST', { ...CONFIG, ...options });
    await refused(put({ maxAsyncRetryAttempts: 9 }), 400, 'InvalidArgument', /maxAsyncRetryAttempts/i);
    await refused(put({ maxAsyncEventAgeInSeconds: 0 }), 400, 'InvalidArgument', /maxAsyncEventAgeInSeconds/i);
    await refused(put({ destinationConfig: { onSuccess: { destination: 'over there' } } }), 400, 'InvalidArgument', /destination/i);
    await refused(fc.putFunctionAsyncConfig(SERVICE, 'none', 'LATEST', CONFIG), 404, 'FunctionNotFound');
    await refused(fc.getFunctionAsyncConfig(SERVICE, 'after', 'LATEST'), 404, 'AsyncConfigNotExists');
  });
  await step('a stateful asynchronous invocation tells how it went', async () => {
    const { headers, data } = await submit('js2-good', 'echo the payload');
    assert.deepEqual([data, headers['x-fc-stateful-async-invocation-id']], ['', 'js2-good']);
    const it = await ended('js2-good', 'Succeeded');
    has(it, { functionName: 'f', serviceName: SERVICE, qualifier: 'LATEST', invocationId: 'js2-good', invocationPayload: 'echo the payload',
      returnPayload: 'echo the payload', alreadyRetriedTimes: 0, requestId: headers['x-fc-request-id'] });
    assert.ok(it.startedTime > 0 && it.endTime >= it.startedTime, JSON.stringify(it));
    assert.ok(it.instanceId.length > 8 && it.durationMs >= 0, JSON.stringify(it));
    const statuses = it.events.map((event) => event.status);
    assert.deepEqual([statuses[0], statuses.at(-1)], ['Enqueued', 'Succeeded'], JSON.stringify(it.events));
  });
  await step('a failed one says so, and is tried as often as configured', async () => {
    await submit('js2-bad', 'unhandled:oops');
    const it = await ended('js2-bad', 'Failed');
    has(it, { alreadyRetriedTimes: 0 });
    assert.match(it.invocationErrorMessage, /oops|UnhandledInvocationError/);
  });
  await step('the id of a stateful invocation is used once', async () => {
    await clashes(submit('js2-good', 'echo again'), /js2-good/);
    await refused(submit('no id!', 'echo'), 400, 'InvalidArgument');
  });
  await step('a running one is stopped; a finished one cannot be', async () => {
    await submit('js2-long', 'sleep:60000');
    await ended('js2-long', 'Running');
    await fc.put(`${tasks}/js2-long`, {});
    await ended('js2-long', 'Stopped');
    await refused(fc.put(`${tasks}/js2-good`, {}), 400, 'InvalidArgument');
    await fails(fc.put(`${tasks}/js2-none`, {}), 404);
    await fails(fc.get(`${tasks}/js2-none`), 404);
  });
  await step('stateful invocations are listed by status, prefix and time', async () => {
    const ids = async (query) => ((await fc.get(tasks, query)).data.invocations ?? []).map((it) => it.invocationId);
    assert.deepEqual((await ids({ invocationIdPrefix: 'js2-' })).sort(), ['js2-bad', 'js2-good', 'js2-long']);
    assert.deepEqual(await ids({ status: 'Failed' }), ['js2-bad']);
    assert.deepEqual(await ids({ sortOrderByTime: 'asc', limit: 1 }), ['js2-good']);
    assert.deepEqual(await ids({ invocationIdPrefix: 'none-' }), []);
    const { data } = await fc.get(tasks, { sortOrderByTime: 'asc', limit: 2, includePayload: true });
    has(data.invocations[0], { invocationPayload: 'echo the payload' });
    assert.deepEqual(await ids({ sortOrderByTime: 'asc', limit: 2, nextToken: data.nextToken }), ['js2-long']);
  });
  await step('an asynchronous invocation may be delayed', async () => {
    const begun = Date.now();
    await fc.invokeFunction(SERVICE, 'f', 'echo later', { ...ASYNC, 'x-fc-stateful-async-invocation-id': 'js2-later', 'x-fc-async-delay': '1' });
    assert.notEqual((await task('js2-later')).status, 'Succeeded');
    await ended('js2-later', 'Succeeded');
    assert.ok(Date.now() - begun >= 950, `${Date.now() - begun} ms`);
    await refused(fc.invokeFunction(SERVICE, 'f', '', { ...ASYNC, 'x-fc-async-delay': '3601' }), 400, 'InvalidArgument', /delay/i);
  });
  await step('deleteFunctionAsyncConfig answers 204', async () => {
    assert.equal((await fc.deleteFunctionAsyncConfig(SERVICE, 'f', 'LATEST')).data, '');
    await refused(fc.getFunctionAsyncConfig(SERVICE, 'f', 'LATEST'), 404, 'AsyncConfigNotExists');
    assert.deepEqual((await fc.listFunctionAsyncConfigs(SERVICE, 'f')).data.configs ?? [], []);
  });
  for (const name of ['f', 'after']) await fc.deleteFunction(SERVICE, name).catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
