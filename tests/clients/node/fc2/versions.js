'use strict';

const assert = require('node:assert/strict');
const { zip, step, has, recent } = require('../report');
const { refused, clashes } = require('./refused');

const SERVICE = 'js2-versions';
const AGE = (age) => ({ environmentVariables: { AGE: age } });

module.exports = async (fc) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  const age = async (qualifier) => (await fc.invokeFunction(SERVICE, 'f', 'env:AGE', {}, qualifier)).data;
  await fc.createService(SERVICE, { description: 'at first' }).catch(() => {});
  await fc.createFunction(SERVICE, { functionName: 'f', runtime: 'custom', handler: 'h', code, ...AGE('one') }).catch(() => {});

  await step('publishVersion numbers versions from 1 and freezes service and functions', async () => {
    const { data } = await fc.publishVersion(SERVICE, 'the first');
    has(data, { versionId: '1', description: 'the first' });
    recent(data.createdTime, 'createdTime');
    recent(data.lastModifiedTime, 'lastModifiedTime');
    await fc.updateService(SERVICE, { description: 'later' });
    await fc.updateFunction(SERVICE, 'f', AGE('two'));
    has((await fc.publishVersion(SERVICE)).data, { versionId: '2' });
    await fc.updateFunction(SERVICE, 'f', AGE('latest'));
    assert.deepEqual([await age('1'), await age('2'), await age('LATEST'), await age()], ['one', 'two', 'latest', 'latest']);
    has((await fc.getService(SERVICE, {}, '1')).data, { description: 'at first' });
    has((await fc.getFunction(SERVICE, 'f', {}, '1')).data, AGE('one'));
    has((await fc.listFunctions(SERVICE, {}, {}, '2')).data.functions[0], AGE('two'));
    assert.ok((await fc.getFunctionCode(SERVICE, 'f', {}, '1')).data.url);
    const { headers } = await fc.invokeFunction(SERVICE, 'f', 'echo', {}, '1');
    assert.equal(headers['x-fc-invocation-service-version'], '1');
  });
  await step('a function that a version does not have is not found in it', async () => {
    await fc.createFunction(SERVICE, { functionName: 'g', runtime: 'custom', handler: 'h', code });
    await refused(fc.invokeFunction(SERVICE, 'g', '', {}, '1'), 404, 'FunctionNotFound');
    await refused(fc.getFunction(SERVICE, 'g', {}, '1'), 404, 'FunctionNotFound');
    await fc.deleteFunction(SERVICE, 'g');
  });
  await step('listVersions goes forward and backward and pages', async () => {
    const ids = ({ data }) => data.versions.map((version) => version.versionId);
    assert.deepEqual(ids(await fc.listVersions(SERVICE, { direction: 'FORWARD' })), ['1', '2']);
    assert.deepEqual(ids(await fc.listVersions(SERVICE, { direction: 'BACKWARD' })), ['2', '1']);
    const first = await fc.listVersions(SERVICE, { direction: 'FORWARD', limit: 1 });
    assert.deepEqual(ids(first), ['1']);
    assert.deepEqual(ids(await fc.listVersions(SERVICE, { direction: 'FORWARD', limit: 1, nextToken: first.data.nextToken })), ['2']);
    assert.deepEqual(ids(await fc.listVersions(SERVICE, { direction: 'FORWARD', startKey: '2' })), ['2']);
    await refused(fc.listVersions(SERVICE, { direction: 'SIDEWAYS' }), 400, 'InvalidArgument', /direction/i);
    await refused(fc.listVersions('js2-none'), 404, 'ServiceNotFound');
  });
  await step('createAlias, getAlias and updateAlias', async () => {
    const made = await fc.createAlias(SERVICE, 'prod', '1', { description: 'what users see' });
    has(made.data, { aliasName: 'prod', versionId: '1', description: 'what users see' });
    recent(made.data.createdTime, 'createdTime');
    assert.ok(made.headers.etag, 'the answer has no etag');
    has((await fc.getAlias(SERVICE, 'prod')).data, { aliasName: 'prod', versionId: '1' });
    assert.equal(await age('prod'), 'one');
    has((await fc.updateAlias(SERVICE, 'prod', '2')).data, { versionId: '2', description: 'what users see' });
    assert.equal(await age('prod'), 'two');
    has((await fc.updateAlias(SERVICE, 'prod', undefined, { description: 'new words' })).data, { versionId: '2', description: 'new words' });
    await refused(fc.updateAlias(SERVICE, 'prod', '1', {}, { 'if-match': 'stale' }), 412, 'PreconditionFailed');
    has((await fc.getService(SERVICE, {}, 'prod')).data, { description: 'later' });
    has((await fc.getFunction(SERVICE, 'f', {}, 'prod')).data, AGE('two'));
  });
  await step('an alias splits its invocations by weight', async () => {
    const { data } = await fc.createAlias(SERVICE, 'split', '1', { additionalVersionWeight: { 2: 0.5 } });
    has(data, { versionId: '1', additionalVersionWeight: { 2: 0.5 } });
    const got = { one: 0, two: 0 };
    for (let call = 0; call < 200; call++) got[await age('split')]++;
    // The chance of missing this by luck is below one in ten million.
    assert.ok(got.one > 60 && got.two > 60, JSON.stringify(got));
    await fc.updateAlias(SERVICE, 'split', '1', { additionalVersionWeight: { 2: 1 } });
    for (let call = 0; call < 20; call++) assert.equal(await age('split'), 'two');
    await fc.updateAlias(SERVICE, 'split', '1', { additionalVersionWeight: {} });
    for (let call = 0; call < 20; call++) assert.equal(await age('split'), 'one');
  });
  await step('listAliases is ordered by name and pages', async () => {
    await fc.createAlias(SERVICE, 'canary', '2');
    const names = ({ data }) => data.aliases.map((alias) => alias.aliasName);
    assert.deepEqual(names(await fc.listAliases(SERVICE)), ['canary', 'prod', 'split']);
    const first = await fc.listAliases(SERVICE, { limit: 2 });
    assert.deepEqual(names(first), ['canary', 'prod']);
    assert.deepEqual(names(await fc.listAliases(SERVICE, { limit: 2, nextToken: first.data.nextToken })), ['split']);
    assert.deepEqual(names(await fc.listAliases(SERVICE, { prefix: 'p' })), ['prod']);
    assert.deepEqual(names(await fc.listAliases(SERVICE, { startKey: 'prod' })), ['prod', 'split']);
  });
  await step('what is wrong with an alias is named', async () => {
    await refused(fc.createAlias(SERVICE, 'prod', '1'), 409, 'AliasAlreadyExists', /prod/);
    await refused(fc.createAlias(SERVICE, 'LATEST', '1'), 400, 'InvalidArgument', /LATEST/);
    await refused(fc.createAlias(SERVICE, '7', '1'), 400, 'InvalidArgument');
    await refused(fc.createAlias(SERVICE, 'bad', '9'), 404, 'VersionNotFound', `version '9' of service '${SERVICE}' does not exist`);
    await refused(fc.createAlias(SERVICE, 'bad', '1', { additionalVersionWeight: { 9: 0.1 } }), 404, 'VersionNotFound');
    await refused(fc.createAlias(SERVICE, 'bad', '1', { additionalVersionWeight: { 2: 1.5 } }), 400, 'InvalidArgument', /weight/i);
    await refused(fc.createAlias(SERVICE, 'bad', '1', { additionalVersionWeight: { 2: 'half' } }), 400, 'InvalidArgument', /weight/i);
    await refused(fc.getAlias(SERVICE, 'none'), 404, 'AliasNotFound', `alias 'none' of service '${SERVICE}' does not exist`);
    await refused(fc.deleteAlias(SERVICE, 'none'), 404, 'AliasNotFound');
  });
  await step('a version that an alias uses is not deleted', async () => {
    for (const version of ['1', '2']) await clashes(fc.deleteVersion(SERVICE, version), /alias/i);
    await refused(fc.deleteVersion(SERVICE, '9'), 404, 'VersionNotFound');
    await refused(fc.deleteVersion(SERVICE, 'LATEST'), 404, 'VersionNotFound', /LATEST/);
  });
  await step('deleteAlias and deleteVersion answer 204; numbers are not used again', async () => {
    for (const alias of ['canary', 'prod', 'split']) assert.equal((await fc.deleteAlias(SERVICE, alias)).data, '');
    await refused(fc.invokeFunction(SERVICE, 'f', '', {}, 'prod'), 404, 'AliasNotFound');
    assert.equal((await fc.deleteVersion(SERVICE, '2')).data, '');
    await refused(fc.invokeFunction(SERVICE, 'f', '', {}, '2'), 404, 'VersionNotFound');
    has((await fc.publishVersion(SERVICE)).data, { versionId: '3' });
    for (const version of ['1', '3']) await fc.deleteVersion(SERVICE, version);
  });
  await fc.deleteFunction(SERVICE, 'f').catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
