'use strict';

const assert = require('node:assert/strict');
const { step } = require('../report');
const { refused } = require('./refused');

module.exports = async (fc) => {
  await step('getAccountSettings names zones and a role', async () => {
    const { data } = await fc.getAccountSettings();
    assert.ok(Array.isArray(data.availableAZs), JSON.stringify(data));
    assert.equal(typeof data.defaultRole, 'string');
  });
  await step('getAccountConfigs tells how large a package may be', async () => {
    const { data } = await fc.getAccountConfigs({ config: ['CodeSizeLimit'] });
    assert.ok(data.CodeSizeLimit >= 50 * 1024 * 1024, JSON.stringify(data));
  });
  await step('listReservedCapacities is empty: nobody sells capacity here', async () => {
    assert.deepEqual((await fc.listReservedCapacities({ limit: 5 })).data.reservedCapacities, []);
  });
  await step('there is no bucket for large packages, and the answer says what to do instead', async () => {
    await fc.createService('js2-account').catch(() => {});
    await refused(fc.getTempBucketToken(), 400, 'InvalidArgument', /zipFile/i);
    await refused(fc.getTempCodeBucketPermission('js2-account', 'f', 'e1'), 400, 'InvalidArgument', /zipFile/i);
    const large = { functionName: 'f', runtime: 'custom', handler: 'h', code: { zipFile: '/nothing.zip' }, withoutCodeLimit: true };
    await refused(fc.createFunction('js2-account', large), 400, 'InvalidArgument', /zipFile/i);
    await fc.deleteService('js2-account').catch(() => {});
  });
};
