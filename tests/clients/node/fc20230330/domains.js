'use strict';

const assert = require('node:assert/strict');
const { host, step, has, recent, plain } = require('../report');
const { FC, request, wire, refused, gone, create } = require('./shared');

const DOMAIN = 'js3.example.com';

module.exports = async (fc) => {
  await create(fc, 'js3-domain', { environmentVariables: { AGE: 'one' } }).catch(() => {});
  const trigger = { triggerName: 'web', triggerType: 'http', triggerConfig: JSON.stringify({ authType: 'anonymous', methods: ['GET'] }) };
  await fc.createTrigger('js3-domain', request('CreateTrigger', { body: new FC.CreateTriggerInput(trigger) })).catch(() => {});
  const make = (fields) => fc.createCustomDomain(request('CreateCustomDomain', { body: new FC.CreateCustomDomainInput(fields) }));
  const change = (name, fields) => fc.updateCustomDomain(name, request('UpdateCustomDomain', { body: new FC.UpdateCustomDomainInput(fields) }));
  const routes = [{ path: '/old/*', functionName: 'js3-domain', qualifier: 'LATEST', methods: ['GET'],
    rewriteConfig: { wildcardRules: [{ match: '/old/*', replacement: '/$1' }] } }];

  await step('createCustomDomain and getCustomDomain', async () => {
    const it = wire(await make({ domainName: DOMAIN, protocol: 'HTTP', routeConfig: { routes } }));
    has(it, { domainName: DOMAIN, protocol: 'HTTP', routeConfig: { routes }, accountId: host.account, apiVersion: '2023-03-30' });
    recent(it.createdTime, 'createdTime');
    has(wire(await fc.getCustomDomain(DOMAIN)), { domainName: DOMAIN, routeConfig: { routes } });
    const answer = await plain(host.triggers, '/old/env:AGE', { headers: { host: DOMAIN } });
    assert.deepEqual([answer.status, answer.text], [200, 'one']);
  });
  await step('updateCustomDomain and listCustomDomains', async () => {
    const other = [{ path: '/*', functionName: 'js3-domain' }];
    has(wire(await change(DOMAIN, { routeConfig: { routes: other } })), { protocol: 'HTTP', routeConfig: { routes: other } });
    assert.equal((await plain(host.triggers, '/env:AGE', { headers: { host: DOMAIN } })).text, 'one');
    const { customDomains } = wire(await fc.listCustomDomains(request('ListCustomDomains', { prefix: 'js3.', limit: 10 })));
    has(customDomains, [{ domainName: DOMAIN }]);
  });
  await step('what is wrong with a domain is named', async () => {
    await refused(make({ domainName: DOMAIN, protocol: 'HTTP' }), 409, 'DomainNameAlreadyExists', /js3\.example\.com/);
    await refused(make({ domainName: 'x.example.com', protocol: 'GOPHER' }), 400, 'InvalidArgument', /protocol/i);
    await refused(make({ domainName: 'x.example.com', protocol: 'HTTP', routeConfig: { routes: [{ path: '/*', functionName: 'js3-none' }] } }), 404, 'FunctionNotFound');
    await refused(fc.getCustomDomain('none.example.com'), 404, 'DomainNameNotFound', "domain name 'none.example.com' does not exist");
    await refused(change('none.example.com', {}), 404, 'DomainNameNotFound');
    await refused(fc.deleteCustomDomain('none.example.com'), 404, 'DomainNameNotFound');
  });
  await step('deleteCustomDomain answers 204', async () => {
    gone(await fc.deleteCustomDomain(DOMAIN));
    await refused(fc.getCustomDomain(DOMAIN), 404, 'DomainNameNotFound');
  });
  await fc.deleteTrigger('js3-domain', 'web').catch(() => {});
  await fc.deleteFunction('js3-domain').catch(() => {});
};
