'use strict';

const assert = require('node:assert/strict');
const { step, has, recent } = require('../report');
const { FC, request, wire, refused, gone, create, update, invoke } = require('./shared');

const NAME = 'js3-versions';
const AGE = (age) => ({ environmentVariables: { AGE: age } });

module.exports = async (fc) => {
  await create(fc, NAME, AGE('one')).catch(() => {});
  const age = async (qualifier) => (await invoke(fc, NAME, 'env:AGE', { qualifier })).text;
  const publish = async (description) => wire(await fc.publishFunctionVersion(NAME, request('PublishFunctionVersion', { body: new FC.PublishVersionInput({ description }) })));
  const createAlias = (fields) => fc.createAlias(NAME, request('CreateAlias', { body: new FC.CreateAliasInput(fields) }));
  const updateAlias = (alias, fields) => fc.updateAlias(NAME, alias, request('UpdateAlias', { body: new FC.UpdateAliasInput(fields) }));

  await step('publishFunctionVersion numbers versions from 1 and freezes the function', async () => {
    const first = await publish('the first');
    has(first, { versionId: '1', description: 'the first' });
    recent(first.createdTime, 'createdTime');
    await update(fc, NAME, AGE('two'));
    has(await publish(), { versionId: '2' });
    await update(fc, NAME, AGE('latest'));
    assert.deepEqual([await age('1'), await age('2'), await age('LATEST'), await age()], ['one', 'two', 'latest', 'latest']);
    has(wire(await fc.getFunction(NAME, request('GetFunction', { qualifier: '1' }))), AGE('one'));
  });
  await step('listFunctionVersions goes forward and backward and pages', async () => {
    const list = async (fields) => wire(await fc.listFunctionVersions(NAME, request('ListFunctionVersions', fields)));
    const ids = (page) => page.versions.map((it) => it.versionId);
    assert.deepEqual(ids(await list({ direction: 'FORWARD' })), ['1', '2']);
    assert.deepEqual(ids(await list({ direction: 'BACKWARD' })), ['2', '1']);
    const first = await list({ direction: 'FORWARD', limit: 1 });
    assert.deepEqual(ids(await list({ direction: 'FORWARD', limit: 1, nextToken: first.nextToken })), ['2']);
  });
  await step('createAlias, getAlias, updateAlias and listAliases', async () => {
    has(wire(await createAlias({ aliasName: 'prod', versionId: '1', description: 'what users see' })), { aliasName: 'prod', versionId: '1', description: 'what users see' });
    has(wire(await fc.getAlias(NAME, 'prod')), { aliasName: 'prod', versionId: '1' });
    assert.equal(await age('prod'), 'one');
    has(wire(await updateAlias('prod', { versionId: '2' })), { versionId: '2', description: 'what users see' });
    assert.equal(await age('prod'), 'two');
    await createAlias({ aliasName: 'canary', versionId: '1' });
    const list = async (fields) => wire(await fc.listAliases(NAME, request('ListAliases', fields)));
    const names = (page) => page.aliases.map((it) => it.aliasName);
    assert.deepEqual(names(await list({})), ['canary', 'prod']);
    const first = await list({ limit: 1 });
    assert.deepEqual(names(await list({ limit: 1, nextToken: first.nextToken })), ['prod']);
    assert.deepEqual(names(await list({ prefix: 'p' })), ['prod']);
  });
  await step('an alias splits its invocations by weight', async () => {
    has(wire(await updateAlias('canary', { additionalVersionWeight: { 2: 0.5 } })), { additionalVersionWeight: { 2: 0.5 } });
    const got = { one: 0, two: 0 };
    for (let call = 0; call < 200; call++) got[await age('canary')]++;
    assert.ok(got.one > 60 && got.two > 60, JSON.stringify(got));
  });
  await step('what is wrong with a version or an alias is named', async () => {
    await refused(createAlias({ aliasName: 'prod', versionId: '1' }), 409, 'AliasAlreadyExists', /prod/);
    await refused(createAlias({ aliasName: 'LATEST', versionId: '1' }), 400, 'InvalidArgument', /LATEST/);
    await refused(createAlias({ aliasName: 'bad', versionId: '9' }), 404, 'VersionNotFound');
    await refused(fc.getAlias(NAME, 'none'), 404, 'AliasNotFound');
    await refused(fc.deleteAlias(NAME, 'none'), 404, 'AliasNotFound');
    await refused(fc.deleteFunctionVersion(NAME, '9'), 404, 'VersionNotFound');
    await refused(fc.getAlias('js3-none', 'prod'), 404, 'FunctionNotFound');
    await assert.rejects(fc.deleteFunctionVersion(NAME, '1'), (error) => error.statusCode >= 400 && error.statusCode < 500 && /alias/i.test(error.message));
  });
  await step('deleteAlias and deleteFunctionVersion answer 204', async () => {
    for (const alias of ['canary', 'prod']) gone(await fc.deleteAlias(NAME, alias));
    for (const version of ['1', '2']) gone(await fc.deleteFunctionVersion(NAME, version));
    await refused(invoke(fc, NAME, '', { qualifier: '1' }), 404, 'VersionNotFound');
  });
  await fc.deleteFunction(NAME).catch(() => {});
};
