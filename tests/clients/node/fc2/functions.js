'use strict';

const assert = require('node:assert/strict');
const { zip, step, has, recent, plain, crc64 } = require('../report');
const { refused, clashes } = require('./refused');

const CODE = zip('misbehave');
const code = { zipFile: CODE.toString('base64') };
const small = { runtime: 'nodejs20', handler: 'index.handler', code };

const FULL = {
  functionName: 'full',
  description: 'a function with everything',
  runtime: 'nodejs20',
  handler: 'index.handler',
  memorySize: 512,
  timeout: 10,
  initializer: 'index.initializer',
  initializationTimeout: 60,
  environmentVariables: { GREETING: 'hello', OTHER: 'x' },
  instanceConcurrency: 1,
  instanceType: 'e1',
  instanceLifecycleConfig: {
    preFreeze: { handler: 'index.preFreeze', timeout: 3 },
    preStop: { handler: 'index.preStop', timeout: 3 },
  },
};

module.exports = async (fc) => {
  await fc.createService('js2-functions').catch(() => {});
  await step('createFunction answers the function with its defaults, size and checksum', async () => {
    const { headers, data } = await fc.createFunction('js2-functions', { functionName: 'plain', ...small });
    has(data, { functionName: 'plain', description: '', runtime: 'nodejs20', handler: 'index.handler', memorySize: 128, timeout: 3,
      instanceConcurrency: 1, codeSize: CODE.length, codeChecksum: crc64(CODE) });
    assert.deepEqual(data.environmentVariables ?? {}, {});
    assert.ok(data.functionId.length > 8, `functionId ${data.functionId}`);
    recent(data.createdTime, 'createdTime');
    recent(data.lastModifiedTime, 'lastModifiedTime');
    assert.ok(headers.etag, 'the answer has no etag');
    assert.equal('code' in data, false, 'the code does not come back');
  });
  await step('getFunction reads back every field that createFunction set', async () => {
    has((await fc.createFunction('js2-functions', { ...FULL, code })).data, FULL);
    has((await fc.getFunction('js2-functions', 'full')).data, FULL);
    has((await fc.getFunction('js2-functions', 'full', {}, 'LATEST')).data, FULL);
  });
  await step('updateFunction changes what it is given and nothing else', async () => {
    const before = await fc.getFunction('js2-functions', 'full');
    const after = await fc.updateFunction('js2-functions', 'full', { timeout: 20, environmentVariables: { GREETING: 'bye' } });
    has(after.data, { ...FULL, timeout: 20, environmentVariables: { GREETING: 'bye' }, codeChecksum: before.data.codeChecksum,
      functionId: before.data.functionId, createdTime: before.data.createdTime });
    assert.deepEqual(Object.keys(after.data.environmentVariables), ['GREETING']);
    assert.notEqual(after.headers.etag, before.headers.etag);
    assert.equal((await fc.getFunction('js2-functions', 'full')).headers.etag, after.headers.etag);
    assert.equal((await fc.invokeFunction('js2-functions', 'full', 'env:GREETING')).data, 'bye');
  });
  await step('updateFunction takes new code, which is served at once', async () => {
    const event = zip('event');
    const { data } = await fc.updateFunction('js2-functions', 'plain', { code: { zipFile: event.toString('base64') } });
    has(data, { codeSize: event.length, codeChecksum: crc64(event) });
    assert.equal((await fc.invokeFunction('js2-functions', 'plain', 'panic:no more')).data, 'panic:no more');
    await fc.updateFunction('js2-functions', 'plain', { code });
  });
  await step('a number that comes as text is taken as the number', async () => {
    const path = '/services/js2-functions/functions/full';
    has((await fc.put(path, { initializationTimeout: '20' })).data, { initializationTimeout: 20 });
  });
  await step('If-Match guards updateFunction and deleteFunction', async () => {
    const { headers } = await fc.getFunction('js2-functions', 'full');
    await refused(fc.updateFunction('js2-functions', 'full', { timeout: 5 }, { 'if-match': 'stale' }), 412, 'PreconditionFailed');
    await fc.updateFunction('js2-functions', 'full', { timeout: 5 }, { 'if-match': headers.etag });
    await refused(fc.deleteFunction('js2-functions', 'full', {}, { 'if-match': headers.etag }), 412, 'PreconditionFailed');
  });
  await step('getFunctionCode gives a URL that needs no key, has the bytes that were sent, and cannot be bent', async () => {
    const { data } = await fc.getFunctionCode('js2-functions', 'plain');
    assert.equal(data.checksum, crc64(CODE));
    assert.equal((await fc.getFunctionCode('js2-functions', 'plain', {}, 'LATEST')).data.checksum, data.checksum);
    const url = new URL(data.url);
    const fetched = await plain(url.origin, url.pathname + url.search);
    assert.equal(fetched.status, 200, fetched.text.slice(0, 200));
    assert.ok(fetched.bytes.equals(CODE), `${fetched.bytes.length} bytes came back of ${CODE.length}`);
    const unsigned = await plain(url.origin, url.pathname);
    assert.ok(unsigned.status >= 400 && unsigned.status < 500, `without its query: ${unsigned.status}`);
    const bent = await plain(url.origin, url.pathname.replace('plain', 'full') + url.search.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')));
    assert.ok(bent.status >= 400 && bent.status < 500, `with another signature: ${bent.status}`);
  });
  await step('a checksum that is not the code\'s is refused', async () => {
    const create = (name, checksum) => fc.createFunction('js2-functions', { functionName: name, ...small }, { 'x-fc-code-checksum': checksum });
    await refused(create('sum', '1234567'), 400, 'InvalidArgument', /checksum/i);
    has((await create('sum', crc64(CODE))).data, { codeChecksum: crc64(CODE) });
    await fc.deleteFunction('js2-functions', 'sum');
  });
  await step('listFunctions is ordered by name and pages by limit and nextToken', async () => {
    for (const name of ['list-b', 'list-a', 'list-c']) await fc.createFunction('js2-functions', { functionName: name, ...small });
    const names = ({ data }) => data.functions.map((it) => it.functionName);
    const first = await fc.listFunctions('js2-functions', { prefix: 'list-', limit: 2 });
    assert.deepEqual(names(first), ['list-a', 'list-b']);
    const second = await fc.listFunctions('js2-functions', { prefix: 'list-', limit: 2, nextToken: first.data.nextToken });
    assert.deepEqual([names(second), Boolean(second.data.nextToken)], [['list-c'], false]);
    assert.deepEqual(names(await fc.listFunctions('js2-functions', { startKey: 'list-b' })).slice(0, 2), ['list-b', 'list-c']);
    const all = names(await fc.listFunctions('js2-functions'));
    assert.deepEqual(all, ['full', 'list-a', 'list-b', 'list-c', 'plain']);
    assert.deepEqual(names(await fc.listFunctions('js2-functions', {}, {}, 'LATEST')), all);
    has(first.data.functions[0], { runtime: 'nodejs20', codeChecksum: crc64(CODE) });
    for (const name of ['list-a', 'list-b', 'list-c']) await fc.deleteFunction('js2-functions', name);
  });
  await step('what is wrong with a function is named', async () => {
    const create = (options) => fc.post('/services/js2-functions/functions', { functionName: 'bad', ...small, ...options });
    await refused(create({ functionName: 'full' }), 409, 'FunctionAlreadyExists', /full/);
    await refused(create({ functionName: '1st' }), 400, 'InvalidArgument', /1st/);
    await refused(create({ functionName: 'f'.repeat(65) }), 400, 'InvalidArgument');
    await refused(create({ functionName: '../../etc' }), 400, 'InvalidArgument');
    await refused(create({ memorySize: 100 }), 400, 'InvalidArgument', /memorySize/i);
    await refused(create({ memorySize: 'much' }), 400, 'InvalidArgument', /memorySize/i);
    await refused(create({ timeout: 0 }), 400, 'InvalidArgument', /timeout/i);
    await refused(create({ timeout: 86_401 }), 400, 'InvalidArgument', /timeout/i);
    await refused(create({ initializationTimeout: 301 }), 400, 'InvalidArgument', /initializationTimeout/i);
    await refused(create({ runtime: 'cobol' }), 400, 'InvalidArgument', /Runtime is set to an invalid value/);
    await refused(create({ runtime: 12 }), 400, 'InvalidArgument', /Runtime/);
    await refused(create({ handler: undefined }), 400, 'InvalidArgument', /handler/i);
    await refused(create({ handler: 'h'.repeat(129) }), 400, 'InvalidArgument', /handler/i);
    await refused(create({ instanceConcurrency: 0 }), 400, 'InvalidArgument', /instanceConcurrency/i);
    await refused(create({ environmentVariables: { '1BAD': 'x' } }), 400, 'InvalidArgument', /1BAD/);
    await refused(create({ environmentVariables: { FC_MINE: 'x' } }), 400, 'InvalidArgument', /FC_MINE/);
    await refused(create({ environmentVariables: { BIG: 'x'.repeat(4097) } }), 400, 'InvalidArgument', /4/);
    await refused(create({ environmentVariables: { N: 5 } }), 400, 'InvalidArgument', /environmentVariables/i);
    await refused(fc.createFunction('js2-none', { functionName: 'f', ...small }), 404, 'ServiceNotFound', "service 'js2-none' does not exist");
    await refused(fc.getFunction('js2-functions', 'none'), 404, 'FunctionNotFound', "function 'none' does not exist in service 'js2-functions'");
    await refused(fc.updateFunction('js2-functions', 'none', {}), 404, 'FunctionNotFound');
    await refused(fc.deleteFunction('js2-functions', 'none'), 404, 'FunctionNotFound');
    await refused(fc.getFunctionCode('js2-functions', 'none'), 404, 'FunctionNotFound');
  });
  await step('what is wrong with a code package is named, and nothing is left of it', async () => {
    const create = (it) => fc.createFunction('js2-functions', { functionName: 'bad', runtime: 'nodejs20', handler: 'index.handler', code: it });
    await refused(create(undefined), 400, 'InvalidArgument', /code/i);
    await refused(create({}), 400, 'InvalidArgument', /code/i);
    await refused(create({ zipFile: '***' }), 400, 'InvalidArgument', /base64/i);
    await refused(create({ zipFile: Buffer.from('no zip').toString('base64') }), 400, 'InvalidArgument', /zip/i);
    await refused(create({ zipFile: CODE.subarray(0, CODE.length / 2).toString('base64') }), 400, 'InvalidArgument');
    await refused(create({ zipFile: zip('empty').toString('base64') }), 400, 'InvalidArgument');
    await refused(create({ zipFile: zip('broken').toString('base64') }), 400, 'InvalidArgument', /WebAssembly/);
    await refused(create({ zipFile: zip('traversal').toString('base64') }), 400, 'InvalidArgument', /\.\./);
    await refused(create({ zipFile: zip('link').toString('base64') }), 400, 'InvalidArgument', /link/i);
    await refused(create({ zipFile: zip('bomb').toString('base64') }), 400, 'InvalidArgument');
    await refused(create({ ossBucketName: 'bucket', ossObjectName: 'object' }), 400, 'InvalidArgument', /oss|bucket/i);
    await refused(fc.getFunction('js2-functions', 'bad'), 404, 'FunctionNotFound');
  });
  await step('a service that has functions cannot be deleted', async () => {
    await clashes(fc.deleteService('js2-functions'), /function/);
    assert.equal((await fc.getFunction('js2-functions', 'full')).data.functionName, 'full');
  });
  await step('deleteFunction answers 204 and the function is gone', async () => {
    for (const name of ['full', 'plain']) {
      assert.equal((await fc.deleteFunction('js2-functions', name)).data, '');
      await refused(fc.getFunction('js2-functions', name), 404, 'FunctionNotFound');
      await refused(fc.invokeFunction('js2-functions', name, ''), 404, 'FunctionNotFound');
    }
    await fc.deleteService('js2-functions');
  });
};
