'use strict';

const assert = require('node:assert/strict');
const { host, zip, step, requestId } = require('../report');
const { refused } = require('./refused');

const SERVICE = 'js2-invoke';

module.exports = async (fc, client) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  await fc.createService(SERVICE).catch(() => {});
  await fc.createFunction(SERVICE, { functionName: 'f', runtime: 'custom', handler: 'index.handler', code, timeout: 2 }).catch(() => {});

  await step('invokeFunction takes text, bytes and nothing, and gives back what the function answered', async () => {
    const text = await fc.invokeFunction(SERVICE, 'f', 'echo me');
    assert.equal(text.data, 'echo me');
    requestId(text.headers['x-fc-request-id']);
    assert.match(text.headers['x-fc-invocation-duration'], /^\d+$/);
    assert.match(text.headers['x-fc-max-memory-usage'], /^\d+(\.\d+)?$/);
    const bytes = Buffer.from([0x65, 0x63, 0x68, 0x6f, 0, 0xff, 0x80]);
    const raw = await fc.invokeFunction(SERVICE, 'f', bytes, {}, undefined, { rawBuf: true });
    assert.ok(raw.data.equals(bytes), raw.data.toString('hex'));
    assert.equal((await fc.invokeFunction(SERVICE, 'f', 'count')).data.length > 0, true);
  });
  await step('the log comes back on request', async () => {
    const { headers } = await fc.invokeFunction(SERVICE, 'f', 'print:a line of the log', { 'x-fc-log-type': 'Tail' });
    const log = Buffer.from(headers['x-fc-log-result'], 'base64').toString();
    assert.match(log, /^FC Invoke Start RequestId: /m);
    assert.match(log, /^a line of the log$/m);
    assert.match(log, /Duration: .*, Billed Duration: .*, Memory Size: 128 MB/);
    const none = await fc.invokeFunction(SERVICE, 'f', 'echo', { 'x-fc-log-type': 'None' });
    assert.equal(none.headers['x-fc-log-result'], undefined);
  });
  await step('failures of the function are answers with x-fc-error-type', async () => {
    const handled = await fc.invokeFunction(SERVICE, 'f', 'handled:This is a handled error', {}, undefined, { rawBuf: true });
    assert.equal(handled.headers['x-fc-error-type'], 'HandledInvocationError');
    assert.deepEqual(handled.data, { errorMessage: 'This is a handled error' });
    const trap = await fc.invokeFunction(SERVICE, 'f', 'trap');
    assert.equal(trap.headers['x-fc-error-type'], 'UnhandledInvocationError');
    assert.match(trap.data.errorMessage, /^Process exited unexpectedly before completing request/);
    const late = await fc.invokeFunction(SERVICE, 'f', 'spin');
    assert.match(late.data.errorMessage, /^Function timed out after 2 seconds/);
  });
  await step('headers that mean nothing are refused in the service\'s words', async () => {
    await refused(fc.invokeFunction(SERVICE, 'f', 'echo', { 'x-fc-log-type': 'Invalid' }), 400, 'InvalidArgument',
      "LogType is set to an invalid value (allowed: Tail | None, actual: 'Invalid')");
    await refused(fc.invokeFunction(SERVICE, 'f', 'echo', { 'x-fc-invocation-type': 'Async', 'x-fc-log-type': 'Tail' }), 400, 'InvalidArgument',
      "LogType is set to an invalid value (allowed: None, actual: 'Tail')");
    await refused(fc.invokeFunction(SERVICE, 'f', 'echo', { 'x-fc-invocation-type': 'Later' }), 400, 'InvalidArgument', /Later/);
  });
  await step('what does not exist is named', async () => {
    await refused(fc.invokeFunction('js2-none', 'f', ''), 404, 'ServiceNotFound', "service 'js2-none' does not exist");
    await refused(fc.invokeFunction(SERVICE, 'none', ''), 404, 'FunctionNotFound', `function 'none' does not exist in service '${SERVICE}'`);
    await refused(fc.invokeFunction(SERVICE, 'f', '', {}, '9'), 404, 'VersionNotFound', `version '9' of service '${SERVICE}' does not exist`);
    await refused(fc.invokeFunction(SERVICE, 'f', '', {}, 'prod'), 404, 'AliasNotFound', `alias 'prod' of service '${SERVICE}' does not exist`);
  });
  await step('an asynchronous invocation is a 202 with a request id and no body', async () => {
    const { headers, data } = await fc.invokeFunction(SERVICE, 'f', 'echo', { 'x-fc-invocation-type': 'Async' });
    assert.equal(data, '');
    requestId(headers['x-fc-request-id']);
    await refused(fc.invokeFunction(SERVICE, 'none', '', { 'x-fc-invocation-type': 'Async' }), 404, 'FunctionNotFound');
    await refused(fc.invokeFunction(SERVICE, 'f', Buffer.alloc(128 * 1024 + 1, 'x'), { 'x-fc-invocation-type': 'Async' }), 400, 'EntityTooLarge');
  });
  await step('an invoke key invokes, a read-only key does not', async () => {
    assert.equal((await client(host.invoke).invokeFunction(SERVICE, 'f', 'echo')).data, 'echo');
    await refused(client(host.reader).invokeFunction(SERVICE, 'f', 'echo'), 403, 'AccessDenied');
  });
  await step('listInstances names the instances that live', async () => {
    const { headers } = await fc.invokeFunction(SERVICE, 'f', 'instance-id');
    const { data } = await fc.listInstances(SERVICE, 'f', 'LATEST');
    const found = data.instances.find((it) => it.instanceId === headers['x-fc-instance-id']);
    assert.ok(found, JSON.stringify(data));
    assert.equal(typeof found.versionId, 'string');
  });
  await step('instanceExec is refused with a reason, because an instance has no shell', async () => {
    const error = await new Promise((resolve) => {
      fc.instanceExec(SERVICE, 'f', 'LATEST', 'some-instance', {}, { onError: resolve }).then(({ websocket }) => websocket.on('open', () => resolve(new Error('it opened'))));
    });
    assert.match(error.message, /exec|shell|not supported/i);
  });
  await step('a path that the API does not have is named', async () => {
    await refused(fc.get('/nothing'), 400, 'PathNotSupported', "'GET' against '/2016-08-15/nothing' is not supported");
    await refused(fc.put(`/services/${SERVICE}/functions`, {}), 400, 'PathNotSupported');
  });
  await fc.deleteFunction(SERVICE, 'f').catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
