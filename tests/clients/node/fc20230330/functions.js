'use strict';

const assert = require('node:assert/strict');
const { host, zip, step, has, recent, requestId, plain, crc64, eventually } = require('../report');
const { FC, request, wire, refused, gone, code, create, update, invoke } = require('./shared');

const CODE = zip('misbehave');

const FULL = {
  description: 'a function with everything',
  runtime: 'nodejs20',
  handler: 'index.handler',
  memorySize: 512,
  cpu: 0.5,
  diskSize: 512,
  timeout: 10,
  environmentVariables: { GREETING: 'hello' },
  instanceConcurrency: 1,
  internetAccess: false,
  instanceLifecycleConfig: { initializer: { handler: 'index.initializer', timeout: 60 }, preStop: { handler: 'index.preStop', timeout: 5 } },
  logConfig: { project: 'p', logstore: 'l', enableRequestMetrics: true, enableInstanceMetrics: true, logBeginRule: 'DefaultRegex' },
  role: 'acs:ram::1234:role/fc-test',
  tracingConfig: { type: 'Jaeger', params: { endpoint: 'http://jaeger.example/api' } },
  vpcConfig: { vpcId: 'vpc-x', vSwitchIds: ['vsw-x'], securityGroupId: 'sg-x' },
  nasConfig: { userId: 100, groupId: 100, mountPoints: [{ serverAddr: 'h:/', mountDir: '/home/test', enableTLS: false }] },
};

module.exports = async (fc) => {
  const get = async (name, fields) => wire(await fc.getFunction(name, request('GetFunction', fields)));
  await step('createFunction answers the function with its defaults, size, checksum and state', async () => {
    const answer = await create(fc, 'js3-plain');
    requestId(answer.headers['x-fc-request-id']);
    const it = wire(answer);
    has(it, { functionName: 'js3-plain', description: '', runtime: 'custom', handler: 'index.handler', timeout: 3,
      instanceConcurrency: 1, internetAccess: true, codeSize: CODE.length, codeChecksum: crc64(CODE),
      functionArn: `acs:fc:${host.region}:${host.account}:functions/js3-plain` });
    assert.ok(it.functionId.length > 8, `functionId ${it.functionId}`);
    recent(it.createdTime, 'createdTime');
    recent(it.lastModifiedTime, 'lastModifiedTime');
    await eventually('the function is Active', async () => {
      const now = await get('js3-plain');
      return now.state === 'Active' && now.lastUpdateStatus === 'Successful';
    });
  });
  await step('getFunction reads back every field that createFunction set', async () => {
    has(wire(await create(fc, 'js3-full', FULL)), FULL);
    has(await get('js3-full'), FULL);
    has(await get('js3-full', { qualifier: 'LATEST' }), FULL);
  });
  await step('updateFunction changes what it is given and nothing else', async () => {
    const before = await get('js3-full');
    const after = wire(await update(fc, 'js3-full', { timeout: 20, environmentVariables: { GREETING: 'bye' } }));
    has(after, { ...FULL, timeout: 20, environmentVariables: { GREETING: 'bye' }, functionId: before.functionId, createdTime: before.createdTime });
    assert.equal((await invoke(fc, 'js3-full', 'env:GREETING')).text, 'bye');
    has(wire(await update(fc, 'js3-full', { code: code('event') })), { codeChecksum: crc64(zip('event')), timeout: 20 });
    assert.equal((await invoke(fc, 'js3-full', 'trap')).text, 'trap');
  });
  await step('getFunctionCode gives a URL that needs no key and has the bytes that were sent', async () => {
    const { url, checksum } = wire(await fc.getFunctionCode('js3-plain', request('GetFunctionCode')));
    assert.equal(checksum, crc64(CODE));
    const { origin, pathname, search } = new URL(url);
    const fetched = await plain(origin, pathname + search);
    assert.ok(fetched.status === 200 && fetched.bytes.equals(CODE), `${fetched.status}, ${fetched.bytes.length} bytes`);
    const unsigned = await plain(origin, pathname);
    assert.ok(unsigned.status >= 400 && unsigned.status < 500, `without its query: ${unsigned.status}`);
  });
  await step('the checksum of the code may come with it', async () => {
    await refused(create(fc, 'js3-sum', { code: { ...code(), checksum: '1234567' } }), 400, 'InvalidArgument', /checksum/i);
    has(wire(await create(fc, 'js3-sum', { code: { ...code(), checksum: crc64(CODE) } })), { codeChecksum: crc64(CODE) });
    gone(await fc.deleteFunction('js3-sum'));
  });
  await step('listFunctions is ordered by name, pages and filters', async () => {
    for (const name of ['b', 'a', 'c']) await create(fc, `js3-list-${name}`, { description: `the letter ${name}` });
    const list = async (fields) => wire(await fc.listFunctions(request('ListFunctions', fields)));
    const names = (page) => page.functions.map((it) => it.functionName);
    const first = await list({ prefix: 'js3-list-', limit: 2 });
    assert.deepEqual(names(first), ['js3-list-a', 'js3-list-b']);
    const second = await list({ prefix: 'js3-list-', limit: 2, nextToken: first.nextToken });
    assert.deepEqual([names(second), Boolean(second.nextToken)], [['js3-list-c'], false]);
    assert.deepEqual(names(await list({ prefix: 'js3-', runtime: 'nodejs20' })), ['js3-full']);
    assert.deepEqual(names(await list({ prefix: 'js3-none-' })), []);
    await refused(fc.listFunctions(request('ListFunctions', { limit: 101 })), 400, 'InvalidArgument', /limit/i);
    for (const name of ['a', 'b', 'c']) gone(await fc.deleteFunction(`js3-list-${name}`));
  });
  await step('what is wrong with a function is named', async () => {
    const bad = (fields) => create(fc, 'js3-bad', fields);
    await refused(create(fc, 'js3-plain'), 409, 'FunctionAlreadyExists', /js3-plain/);
    await refused(create(fc, '1st'), 400, 'InvalidArgument', /1st/);
    await refused(bad({ memorySize: 100 }), 400, 'InvalidArgument', /memorySize/i);
    await refused(bad({ cpu: 0.07 }), 400, 'InvalidArgument', /cpu/i);
    await refused(bad({ cpu: 8, memorySize: 512 }), 400, 'InvalidArgument', /cpu/i);
    await refused(bad({ diskSize: 1000 }), 400, 'InvalidArgument', /diskSize/i);
    await refused(bad({ timeout: 0 }), 400, 'InvalidArgument', /timeout/i);
    await refused(bad({ runtime: 'cobol' }), 400, 'InvalidArgument', /Runtime is set to an invalid value/);
    await refused(bad({ handler: undefined }), 400, 'InvalidArgument', /handler/i);
    await refused(bad({ code: undefined }), 400, 'InvalidArgument', /code/i);
    await refused(bad({ code: { zipFile: '***' } }), 400, 'InvalidArgument', /base64/i);
    await refused(bad({ code: { ossBucketName: 'bucket', ossObjectName: 'object' } }), 400, 'InvalidArgument', /oss|bucket/i);
    await refused(bad({ environmentVariables: { FC_MINE: 'x' } }), 400, 'InvalidArgument', /FC_MINE/);
    await refused(fc.getFunction('js3-none', request('GetFunction')), 404, 'FunctionNotFound', "function 'js3-none' does not exist");
    await refused(update(fc, 'js3-none', {}), 404, 'FunctionNotFound');
    await refused(fc.deleteFunction('js3-none'), 404, 'FunctionNotFound');
    await refused(fc.getFunctionCode('js3-none', request('GetFunctionCode')), 404, 'FunctionNotFound');
    await refused(fc.getFunction('js3-plain', request('GetFunction', { qualifier: '9' })), 404, 'VersionNotFound');
  });
  await step('a function that is disabled is not called until it is enabled', async () => {
    const off = new FC.DisableFunctionInvocationRequest({ reason: 'for the test', abortOngoingRequest: false });
    has(wire(await fc.disableFunctionInvocation('js3-plain', off)), { success: true });
    has(await get('js3-plain'), { invocationRestriction: { disable: true, reason: 'for the test' } });
    await assert.rejects(invoke(fc, 'js3-plain', 'echo'), (error) => {
      assert.ok(error.statusCode >= 400 && error.statusCode < 500, `${error.statusCode} ${error.message}`);
      assert.match(error.message, /disabled/i);
      return true;
    });
    has(wire(await fc.enableFunctionInvocation('js3-plain')), { success: true });
    assert.equal((await invoke(fc, 'js3-plain', 'echo')).text, 'echo');
  });
  await step('deleteFunction answers 204 and the function is gone', async () => {
    for (const name of ['js3-plain', 'js3-full']) {
      gone(await fc.deleteFunction(name));
      await refused(fc.getFunction(name, request('GetFunction')), 404, 'FunctionNotFound');
      await refused(invoke(fc, name, ''), 404, 'FunctionNotFound');
    }
  });
};
