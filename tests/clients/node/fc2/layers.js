'use strict';

const assert = require('node:assert/strict');
const { host, step } = require('../report');
const { refused } = require('./refused');

// A component holds everything that it runs: there is nothing that a layer could add to it.
module.exports = async (fc) => {
  await step('there are no layers to list', async () => {
    assert.deepEqual((await fc.listLayers({ limit: 10 })).data.layers, []);
    assert.deepEqual((await fc.listLayerVersions('none')).data.layers, []);
  });
  await step('a layer that is asked for is not found', async () => {
    await refused(fc.getLayerVersion('none', 1), 404, 'LayerNotFound', /none/);
    await refused(fc.getLayerVersionByArn(`acs:fc:${host.region}:${host.account}:layers/none/versions/1`), 404, 'LayerNotFound', /none/);
  });
  await step('changing layers is refused with a reason', async () => {
    await refused(fc.deleteLayerVersion('none', 1), 400, 'InvalidArgument', /layer/i);
    await refused(fc.putLayerACL('none', { public: true }), 400, 'InvalidArgument', /layer/i);
    await refused(fc.publishLayerVersion('js2-layer', { compatibleRuntime: ['nodejs20'], Code: { zipFile: 'UEsFBg==' } }), 400, 'InvalidArgument', /layer/i);
    await refused(fc.publishLayerVersionForBigCode('js2-layer', { codeConfig: { size: 1, zipFilePath: '/nothing.zip' } }), 400, 'InvalidArgument');
  });
};
