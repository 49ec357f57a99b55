// What the platform adds to a request to a server, and what it takes off.
import { identityOf } from '__wasm_rquickjs_builtin/wisp/context';

// Names and values of the headers that the platform adds.
export function commonHeaders(requestId, path) {
  const { credentials, function: self, service, region, accountId } = identityOf();
  return [
    'x-fc-request-id', requestId,
    'x-fc-access-key-id', credentials.accessKeyId,
    'x-fc-access-key-secret', credentials.accessKeySecret,
    'x-fc-security-token', credentials.securityToken,
    'x-fc-function-name', self.name,
    'x-fc-function-handler', self.handler,
    'x-fc-function-memory', String(self.memory),
    'x-fc-function-timeout', String(self.timeout),
    'x-fc-function-initializer', self.initializer ?? '',
    'x-fc-initialization-timeout', String(self.initializationTimeout),
    'x-fc-region', region,
    'x-fc-account-id', accountId,
    'x-fc-qualifier', service.qualifier,
    'x-fc-version-id', service.versionId,
    'x-fc-service-name', service.name,
    'x-fc-service-logproject', service.logProject,
    'x-fc-service-logstore', service.logStore,
    'x-fc-control-path', path,
  ];
}

// What stood before the path of the last request, and whether that is the default address.
let lastPrefix;
let lastBase;

// The path inside the function, still encoded, and the query: what stands before it on the default address is cut off.
export function targetOf(path, url) {
  const question = url.indexOf('?');
  const raw = question < 0 ? url : url.slice(0, question);
  if (raw === path) return { target: url, base: undefined };
  if (lastPrefix !== undefined && raw.length === lastPrefix.length + path.length && raw.startsWith(lastPrefix) && raw.endsWith(path) && !path.includes('%')) {
    return { target: url.slice(lastPrefix.length), base: lastBase };
  }
  const inside = /^(\/[^/]+\/proxy\/[^/]+\/[^/]+)(\/.*)?$/.exec(raw);
  if (inside !== null && decoded(inside[2] ?? '/') === path) {
    [, lastPrefix] = inside;
    lastBase = lastPrefix + '/';
    return { target: (inside[2] ?? '/') + url.slice(raw.length), base: lastBase };
  }
  return { target: url, base: undefined };
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    // Compared as it is.
    return path;
  }
}

export function has(headers, name) {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
