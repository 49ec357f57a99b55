'use strict';

const assert = require('node:assert/strict');
const { host, step, has, recent, eventually } = require('../report');
const { FC, request, wire, refused, gone, create, invoke } = require('./shared');

const NAME = 'js3-async';
const ARN = `acs:fc:${host.region}:${host.account}:functions/${NAME}`;
const CONFIG = { destinationConfig: { onFailure: { destination: `acs:fc:${host.region}:${host.account}:functions/js3-after` } },
  maxAsyncEventAgeInSeconds: 300, maxAsyncRetryAttempts: 0, asyncTask: true };

module.exports = async (fc) => {
  for (const name of [NAME, 'js3-after']) await create(fc, name, { timeout: 60 }).catch(() => {});
  const put = (fields) => fc.putAsyncInvokeConfig(NAME, request('PutAsyncInvokeConfig', { qualifier: 'LATEST', body: new FC.PutAsyncInvokeConfigInput(fields) }));
  const submit = (id, event) => invoke(fc, NAME, event, { headers: { xFcInvocationType: 'Async', xFcAsyncTaskId: id } });
  const task = async (id) => wire(await fc.getAsyncTask(NAME, id, request('GetAsyncTask')));
  const ended = (id, status) => eventually(`${id} is ${status}`, async () => {
    const it = await task(id);
    return it.status === status && it;
  });

  await step('putAsyncInvokeConfig, getAsyncInvokeConfig and listAsyncInvokeConfigs', async () => {
    const it = wire(await put(CONFIG));
    has(it, CONFIG);
    assert.ok(it.functionArn.startsWith(ARN), it.functionArn);
    recent(it.createdTime, 'createdTime');
    has(wire(await fc.getAsyncInvokeConfig(NAME, request('GetAsyncInvokeConfig', { qualifier: 'LATEST' }))), CONFIG);
    const { configs } = wire(await fc.listAsyncInvokeConfigs(request('ListAsyncInvokeConfigs', { functionName: NAME })));
    has(configs, [CONFIG]);
    await refused(put({ ...CONFIG, maxAsyncRetryAttempts: 9 }), 400, 'InvalidArgument', /maxAsyncRetryAttempts/i);
    await refused(fc.getAsyncInvokeConfig('js3-after', request('GetAsyncInvokeConfig')), 404, 'AsyncConfigNotExists');
  });
  await step('an asynchronous task tells how it went', async () => {
    const answer = await submit('js3-good', 'echo the payload');
    assert.deepEqual([answer.status, answer.headers['x-fc-async-task-id']], [202, 'js3-good']);
    const it = await ended('js3-good', 'Succeeded');
    has(it, { taskId: 'js3-good', taskPayload: 'echo the payload', returnPayload: 'echo the payload', alreadyRetriedTimes: 0 });
    assert.ok(it.functionArn.startsWith(ARN), it.functionArn);
    assert.ok(it.startedTime > 1_600_000_000_000 && it.endTime >= it.startedTime, JSON.stringify(it));
    await submit('js3-bad', 'unhandled:oops');
    assert.match((await ended('js3-bad', 'Failed')).taskErrorMessage, /oops|UnhandledInvocationError/);
  });
  await step('stopAsyncTask stops a running task and no finished one', async () => {
    await submit('js3-long', 'sleep:60000');
    await ended('js3-long', 'Running');
    gone(await fc.stopAsyncTask(NAME, 'js3-long', request('StopAsyncTask')));
    await ended('js3-long', 'Stopped');
    await refused(fc.stopAsyncTask(NAME, 'js3-good', request('StopAsyncTask')), 400, 'InvalidArgument');
    await assert.rejects(fc.getAsyncTask(NAME, 'js3-none', request('GetAsyncTask')), (error) => error.statusCode === 404);
  });
  await step('listAsyncTasks filters, sorts and pages', async () => {
    const list = async (fields) => wire(await fc.listAsyncTasks(NAME, request('ListAsyncTasks', fields)));
    const ids = (page) => (page.tasks ?? []).map((it) => it.taskId);
    assert.deepEqual(ids(await list({ prefix: 'js3-' })).sort(), ['js3-bad', 'js3-good', 'js3-long']);
    assert.deepEqual(ids(await list({ status: 'Failed' })), ['js3-bad']);
    const first = await list({ sortOrderByTime: 'asc', limit: 2, includePayload: true });
    assert.deepEqual(ids(first), ['js3-good', 'js3-bad']);
    has(first.tasks[0], { taskPayload: 'echo the payload' });
    assert.deepEqual(ids(await list({ sortOrderByTime: 'asc', limit: 2, nextToken: first.nextToken })), ['js3-long']);
    const { startedTime } = await task('js3-long');
    assert.deepEqual(ids(await list({ startedTimeBegin: startedTime })), ['js3-long']);
  });
  await step('deleteAsyncInvokeConfig answers 204', async () => {
    gone(await fc.deleteAsyncInvokeConfig(NAME, request('DeleteAsyncInvokeConfig', { qualifier: 'LATEST' })));
    await refused(fc.getAsyncInvokeConfig(NAME, request('GetAsyncInvokeConfig', { qualifier: 'LATEST' })), 404, 'AsyncConfigNotExists');
  });
  for (const name of [NAME, 'js3-after']) await fc.deleteFunction(name).catch(() => {});
};
