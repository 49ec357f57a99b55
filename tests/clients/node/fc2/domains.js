'use strict';

const assert = require('node:assert/strict');
const { host, zip, step, has, recent, plain } = require('../report');
const { refused } = require('./refused');

const SERVICE = 'js2-domains';
const DOMAIN = 'js2.example.com';
const ROUTES = {
  routes: [
    { path: '/api/*', serviceName: SERVICE, functionName: 'f', qualifier: 'LATEST', methods: ['GET', 'POST'],
      rewriteConfig: {
        equalRules: [{ match: '/api/exact', replacement: '/request' }],
        wildcardRules: [{ match: '/api/wild/*', replacement: '/$1' }],
        regexRules: [{ match: '^/api/regex/(.*?)$', replacement: '/$1' }],
      } },
    { path: '/env:AGE', serviceName: SERVICE, functionName: 'f', qualifier: 'prod', methods: ['GET'] },
  ],
};

module.exports = async (fc) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  const get = (path) => plain(host.triggers, path, { headers: { host: DOMAIN } });
  await fc.createService(SERVICE).catch(() => {});
  for (const functionName of ['f', 'no-trigger']) {
    await fc.createFunction(SERVICE, { functionName, runtime: 'custom', handler: 'h', code, environmentVariables: { AGE: 'one' } }).catch(() => {});
  }
  await fc.createTrigger(SERVICE, 'f', { triggerName: 'web', triggerType: 'http', triggerConfig: { authType: 'anonymous', methods: ['GET', 'POST'] } }).catch(() => {});
  await fc.publishVersion(SERVICE).catch(() => {});
  await fc.createAlias(SERVICE, 'prod', '1').catch(() => {});
  await fc.updateFunction(SERVICE, 'f', { environmentVariables: { AGE: 'latest' } }).catch(() => {});

  await step('createCustomDomain answers the domain as it was given', async () => {
    const { data } = await fc.createCustomDomain(DOMAIN, { protocol: 'HTTP', routeConfig: ROUTES });
    has(data, { domainName: DOMAIN, protocol: 'HTTP', routeConfig: ROUTES, accountId: host.account, apiVersion: '2016-08-15' });
    recent(data.createdTime, 'createdTime');
    has((await fc.getCustomDomain(DOMAIN)).data, { domainName: DOMAIN, routeConfig: ROUTES });
  });
  await step('a domain routes by path, rewrites it, and honours the qualifier', async () => {
    assert.equal(JSON.parse((await get('/api/exact?a=1')).text).path, '/request');
    assert.equal((await get('/api/wild/env:AGE')).text, 'latest');
    assert.equal((await get('/api/regex/env:AGE')).text, 'latest');
    assert.equal((await get('/env:AGE')).text, 'one');
    assert.equal((await get('/elsewhere')).status, 404);
  });
  await step('updateCustomDomain replaces the routes', async () => {
    const routes = [{ path: '/*', serviceName: SERVICE, functionName: 'f', qualifier: '1' }];
    const { data } = await fc.updateCustomDomain(DOMAIN, { routeConfig: { routes } });
    has(data, { protocol: 'HTTP', routeConfig: { routes } });
    assert.equal((await get('/env:AGE')).text, 'one');
  });
  await step('listCustomDomains is ordered by name and pages', async () => {
    for (const name of ['b.js2.example.org', 'a.js2.example.org']) await fc.createCustomDomain(name, { protocol: 'HTTP' });
    const names = ({ data }) => data.customDomains.map((it) => it.domainName);
    const all = names(await fc.listCustomDomains());
    assert.deepEqual(all, [...all].sort());
    const first = await fc.listCustomDomains({ limit: 1, prefix: 'a.js2' });
    assert.deepEqual(names(first), ['a.js2.example.org']);
    assert.deepEqual(names(await fc.listCustomDomains({ startKey: 'b.js2', limit: 1 })), ['b.js2.example.org']);
    const page = await fc.listCustomDomains({ limit: 1 });
    assert.notDeepEqual(names(await fc.listCustomDomains({ limit: 1, nextToken: page.data.nextToken })), names(page));
    for (const name of ['b.js2.example.org', 'a.js2.example.org']) await fc.deleteCustomDomain(name);
  });
  await step('what is wrong with a domain is named', async () => {
    const create = (name, options) => fc.createCustomDomain(name, { protocol: 'HTTP', ...options });
    const route = (more) => ({ routeConfig: { routes: [{ path: '/*', serviceName: SERVICE, functionName: 'f', ...more }] } });
    await refused(create(DOMAIN, {}), 409, 'DomainNameAlreadyExists', /js2\.example\.com/);
    await refused(create('no domain', {}), 400, 'InvalidArgument', /no domain/);
    await refused(create('x.example.com', { protocol: 'GOPHER' }), 400, 'InvalidArgument', /protocol/i);
    await refused(create('x.example.com', route({ path: 'no-slash' })), 400, 'InvalidArgument', /no-slash/);
    await refused(create('x.example.com', route({ functionName: 'none' })), 404, 'FunctionNotFound');
    await refused(create('x.example.com', route({ serviceName: 'js2-none' })), 404, 'ServiceNotFound');
    await refused(create('x.example.com', route({ qualifier: 'none' })), 404, 'AliasNotFound');
    await refused(create('x.example.com', route({ functionName: 'no-trigger' })), 400, 'InvalidArgument', /HTTP trigger/i);
    await refused(create('x.example.com', route({ rewriteConfig: { regexRules: [{ match: '(', replacement: '/' }] } })), 400, 'InvalidArgument', /regex|match/i);
    await refused(fc.getCustomDomain('none.example.com'), 404, 'DomainNameNotFound', "domain name 'none.example.com' does not exist");
    await refused(fc.updateCustomDomain('none.example.com', {}), 404, 'DomainNameNotFound');
    await refused(fc.deleteCustomDomain('none.example.com'), 404, 'DomainNameNotFound');
  });
  await step('deleteCustomDomain answers 204 and the domain serves no more', async () => {
    assert.equal((await fc.deleteCustomDomain(DOMAIN)).data, '');
    await refused(fc.getCustomDomain(DOMAIN), 404, 'DomainNameNotFound');
    assert.equal((await get('/env:AGE')).status, 404);
  });
  await fc.deleteTrigger(SERVICE, 'f', 'web').catch(() => {});
  await fc.deleteAlias(SERVICE, 'prod').catch(() => {});
  await fc.deleteVersion(SERVICE, '1').catch(() => {});
  for (const name of ['f', 'no-trigger']) await fc.deleteFunction(SERVICE, name).catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
