'use strict';

const assert = require('node:assert/strict');
const { host, step, has } = require('../report');
const { refused } = require('./refused');

const ARN = `acs:fc:${host.region}:${host.account}:services/js2-tagged`;

module.exports = async (fc) => {
  for (const name of ['js2-tagged', 'js2-untagged']) await fc.createService(name).catch(() => {});

  await step('tagResource and getResourceTags, with a short resource name too', async () => {
    await fc.tagResource('services/js2-tagged', { team: 'blue', stage: 'test' });
    for (const resourceArn of [ARN, 'services/js2-tagged']) {
      has((await fc.getResourceTags({ resourceArn })).data, { resourceArn: ARN, tags: { team: 'blue', stage: 'test' } });
    }
    await fc.tagResource(ARN, { stage: 'live' });
    assert.deepEqual((await fc.getResourceTags({ resourceArn: ARN })).data.tags, { team: 'blue', stage: 'live' });
  });
  await step('listServices filters by tags', async () => {
    const names = async (tags) => (await fc.listServices({ tags, prefix: 'js2-' })).data.services.map((it) => it.serviceName);
    assert.deepEqual(await names({ team: 'blue' }), ['js2-tagged']);
    assert.deepEqual(await names({ team: 'blue', stage: 'live' }), ['js2-tagged']);
    assert.deepEqual(await names({ team: 'red' }), []);
  });
  await step('GET /tags lists what is tagged', async () => {
    const { data } = await fc.get('/tags', { limit: 100 });
    has(data.resources.find((it) => it.resourceArn === ARN), { tags: { team: 'blue', stage: 'live' } });
  });
  await step('untagResource takes single tags away, or all', async () => {
    await fc.untagResource(ARN, ['team']);
    assert.deepEqual((await fc.getResourceTags({ resourceArn: ARN })).data.tags, { stage: 'live' });
    await fc.untagResource(ARN, [], true);
    assert.deepEqual((await fc.getResourceTags({ resourceArn: ARN })).data.tags ?? {}, {});
  });
  await step('what cannot be tagged is named', async () => {
    await refused(fc.tagResource('services/js2-none', { a: 'b' }), 404, 'ServiceNotFound');
    await refused(fc.tagResource('no resource', { a: 'b' }), 400, 'InvalidArgument', /no resource/);
    await refused(fc.tagResource(ARN, {}), 400, 'InvalidArgument', /tags/i);
    await refused(fc.getResourceTags({}), 400, 'InvalidArgument', /resourceArn/i);
  });
  await step('the tags of a service go with it', async () => {
    await fc.tagResource(ARN, { team: 'blue' });
    for (const name of ['js2-tagged', 'js2-untagged']) await fc.deleteService(name);
    await fc.createService('js2-tagged');
    assert.deepEqual((await fc.getResourceTags({ resourceArn: ARN })).data.tags ?? {}, {});
    await fc.deleteService('js2-tagged');
  });
};
