'use strict';

const assert = require('node:assert/strict');
const { step, requestId, has } = require('../report');
const { FC, request, wire, refused, create, invoke } = require('./shared');

module.exports = async (fc) => {
  await create(fc, 'js3-invoke', { timeout: 2 }).catch(() => {});
  const call = (event, headers, qualifier) => invoke(fc, 'js3-invoke', event, { headers, qualifier });

  await step('invokeFunction takes bytes and nothing, and gives back what the function answered', async () => {
    const bytes = Buffer.from([0x65, 0x63, 0x68, 0x6f, 0, 0xff, 0x80]);
    const answer = await call(bytes);
    assert.ok(answer.status === 200 && answer.bytes.equals(bytes), answer.bytes.toString('hex'));
    requestId(answer.headers['x-fc-request-id']);
    const { body } = await fc.invokeFunction('js3-invoke', request('InvokeFunction', {}));
    assert.ok(body, 'an event of nothing has an answer');
  });
  await step('the log comes back on request', async () => {
    const { headers } = await call('print:a line of the log', { xFcLogType: 'Tail' });
    const log = Buffer.from(headers['x-fc-log-result'], 'base64').toString();
    assert.match(log, /^a line of the log$/m);
    assert.match(log, /Duration: .*, Billed Duration: .*, Memory Size: 512 MB|Memory Size: 128 MB/);
  });
  await step('failures of the function are answers with x-fc-error-type', async () => {
    const handled = await call('handled:oops');
    assert.deepEqual([handled.status, handled.headers['x-fc-error-type'], JSON.parse(handled.text)],
      [200, 'HandledInvocationError', { errorMessage: 'oops' }]);
    const late = await call('spin');
    assert.deepEqual([late.status, late.headers['x-fc-error-type']], [200, 'UnhandledInvocationError']);
    assert.match(JSON.parse(late.text).errorMessage, /^Function timed out after 2 seconds/);
  });
  await step('what is wrong with an invocation is named', async () => {
    await refused(call('echo', { xFcLogType: 'Invalid' }), 400, 'InvalidArgument', "LogType is set to an invalid value (allowed: Tail | None, actual: 'Invalid')");
    await refused(call('echo', { xFcInvocationType: 'Later' }), 400, 'InvalidArgument', /Later/);
    await refused(invoke(fc, 'js3-none', ''), 404, 'FunctionNotFound', "function 'js3-none' does not exist");
    await refused(call('', {}, '9'), 404, 'VersionNotFound');
    await refused(call('', {}, 'prod'), 404, 'AliasNotFound');
  });
  await step('an asynchronous invocation is a 202 with a request id and no body', async () => {
    const answer = await call('echo', { xFcInvocationType: 'Async' });
    assert.deepEqual([answer.status, answer.text], [202, '']);
    requestId(answer.headers['x-fc-request-id']);
  });
  await step('listInstances names the instances that live', async () => {
    const { headers } = await call('echo');
    const list = async (fields) => wire(await fc.listInstances('js3-invoke', new FC.ListInstancesRequest(fields))).instances;
    const instances = await list({ withAllActive: true });
    const found = instances.find((it) => it.instanceId === headers['x-fc-instance-id']);
    assert.ok(found, JSON.stringify(instances));
    has((await list({ qualifier: 'LATEST', instanceIds: [found.instanceId] })), [{ instanceId: found.instanceId }]);
    assert.deepEqual((await list({ instanceIds: ['none'] })) ?? [], []);
  });
  await fc.deleteFunction('js3-invoke').catch(() => {});
};
