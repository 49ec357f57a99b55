'use strict';

const assert = require('node:assert/strict');
const { host, step, has } = require('../report');
const { FC, request, wire, refused, create } = require('./shared');

const arn = (name) => `acs:fc:${host.region}:${host.account}:functions/${name}`;

module.exports = async (fc) => {
  for (const name of ['js3-tag-a', 'js3-tag-b']) await create(fc, name).catch(() => {});
  const ResourceType = 'function';
  const tag = (resourceId, tags) => {
    const tagList = Object.entries(tags).map(([key, value]) => new FC.Tag({ key, value }));
    return fc.tagResources(request('TagResources', { body: new FC.TagResourcesInput({ resourceType: ResourceType, resourceId, tag: tagList }) }));
  };
  const list = async (fields) => wire(await fc.listTagResources(request('ListTagResources', { resourceType: ResourceType, ...fields }))).TagResources ?? [];
  const pairs = (found) => found.map((it) => `${it.ResourceId.split('/').at(-1)}: ${it.TagKey}=${it.TagValue}`).sort();

  await step('tagResources and listTagResources', async () => {
    await tag([arn('js3-tag-a'), arn('js3-tag-b')], { team: 'blue' });
    await tag([arn('js3-tag-a')], { stage: 'test' });
    const found = await list({ resourceId: [arn('js3-tag-a'), arn('js3-tag-b')] });
    assert.deepEqual(pairs(found), ['js3-tag-a: stage=test', 'js3-tag-a: team=blue', 'js3-tag-b: team=blue']);
    has(found[0], { ResourceType });
    const byTag = await list({ tag: [new FC.ListTagResourcesRequestTag({ key: 'stage', value: 'test' })] });
    assert.deepEqual([...new Set(pairs(byTag).map((pair) => pair.split(':')[0]))], ['js3-tag-a']);
  });
  await step('listFunctions filters by tags', async () => {
    const { functions } = wire(await fc.listFunctions(request('ListFunctions', { prefix: 'js3-', tags: [new FC.Tag({ key: 'stage', value: 'test' })] })));
    assert.deepEqual(functions.map((it) => it.functionName), ['js3-tag-a']);
  });
  await step('untagResources takes single tags away, or all', async () => {
    const untag = (fields) => fc.untagResources(request('UntagResources', { resourceType: ResourceType, ...fields }));
    await untag({ resourceId: [arn('js3-tag-a')], tagKey: ['team'] });
    assert.deepEqual(pairs(await list({ resourceId: [arn('js3-tag-a')] })), ['js3-tag-a: stage=test']);
    await untag({ resourceId: [arn('js3-tag-a'), arn('js3-tag-b')], all: true });
    assert.deepEqual(await list({ resourceId: [arn('js3-tag-a'), arn('js3-tag-b')] }), []);
  });
  await step('what cannot be tagged is named', async () => {
    await refused(tag([arn('js3-none')], { a: 'b' }), 404, 'FunctionNotFound');
    await refused(tag(['acs:fc:x:y:moons/z'], { a: 'b' }), 400, 'InvalidArgument', /moons/);
  });
  for (const name of ['js3-tag-a', 'js3-tag-b']) await fc.deleteFunction(name).catch(() => {});
};
