'use strict';

// Operations on what one host does not have: networks, layers, sessions, resource groups.

const assert = require('node:assert/strict');
const { host, step, has } = require('../report');
const { FC, request, wire, refused, gone, create } = require('./shared');

const NAME = 'js3-elsewhere';

module.exports = async (fc) => {
  await create(fc, NAME).catch(() => {});
  await step('describeRegions names the one region', async () => {
    const { Regions } = wire(await fc.describeRegions(request('DescribeRegions', { acceptLanguage: 'en' })));
    has(Regions.Region, [{ RegionId: host.region }]);
  });
  await step('the name of a network is kept and read back', async () => {
    const bind = (vpcId) => fc.createVpcBinding(NAME, request('CreateVpcBinding', { body: new FC.CreateVpcBindingInput({ vpcId }) }));
    assert.equal((await bind('vpc-x')).statusCode, 204);
    assert.deepEqual(wire(await fc.listVpcBindings(NAME)).vpcIds, ['vpc-x']);
    await refused(bind('../x'), 400, 'InvalidArgument', /vpc/i);
    gone(await fc.deleteVpcBinding(NAME, 'vpc-x'));
    assert.deepEqual(wire(await fc.listVpcBindings(NAME)).vpcIds ?? [], []);
    await assert.rejects(fc.deleteVpcBinding(NAME, 'vpc-x'), (error) => error.statusCode === 404);
  });
  await step('there are no layers, and none can be made', async () => {
    assert.deepEqual(wire(await fc.listLayers(request('ListLayers', { limit: 10 }))).layers ?? [], []);
    assert.deepEqual(wire(await fc.listLayerVersions('none', request('ListLayerVersions'))).layers ?? [], []);
    await refused(fc.getLayerVersion('none', '1'), 404, 'LayerNotFound');
    await refused(fc.getLayerVersionByArn(`acs:fc:${host.region}:${host.account}:layers/none/versions/1`), 404, 'LayerNotFound');
    await refused(fc.deleteLayerVersion('none', '1'), 400, 'InvalidArgument', /layer/i);
    await refused(fc.putLayerACL('none', new FC.PutLayerACLRequest({ public: 'true' })), 400, 'InvalidArgument', /layer/i);
    const body = new FC.CreateLayerVersionInput({ code: { zipFile: 'UEsFBg==' }, compatibleRuntime: ['nodejs20'] });
    await refused(fc.createLayerVersion('js3-layer', request('CreateLayerVersion', { body })), 400, 'InvalidArgument', /layer/i);
  });
  await step('there are no sessions, and the answer says so', async () => {
    const body = new FC.UpdateSessionInput({ sessionTTLInSeconds: 60 });
    for (const ask of [
      () => fc.listSessions(NAME, request('ListSessions')),
      () => fc.createSession(NAME, request('CreateSession', { body: new FC.CreateSessionInput({ sessionTTLInSeconds: 60 }) })),
      () => fc.getSession(NAME, 's', request('GetSession')),
      () => fc.updateSession(NAME, 's', request('UpdateSession', { body })),
      () => fc.pauseSession(NAME, 's', request('PauseSession')),
      () => fc.resumeSession(NAME, 's', request('ResumeSession')),
      () => fc.deleteSession(NAME, 's', request('DeleteSession')),
    ]) await refused(ask(), 400, 'InvalidArgument', /session/i);
  });
  await step('there are no resource groups to move a function to', async () => {
    const body = new FC.ChangeResourceGroupInput({ newResourceGroupId: 'rg-x', resourceId: NAME, resourceType: 'function' });
    await refused(fc.changeResourceGroup(request('ChangeResourceGroup', { body })), 400, 'InvalidArgument', /resource group/i);
  });
  await fc.deleteFunction(NAME).catch(() => {});
};
