// HTTP handlers: `(req, resp, context)`.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { original } from '__wasm_rquickjs_builtin/wisp/copies';
import { KEPT, failUnhandled, faster, isCurrent, keep, respond } from '__wasm_rquickjs_builtin/wisp/invocation';
import { bufferOf, isThenable } from '__wasm_rquickjs_builtin/wisp/event';
import { Buffer } from 'node:buffer';
import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

// Of these Node keeps the first value; others are joined.
const FIRST = new Set(['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'user-agent']);

export function pairsOf(text) {
  return text === '' ? [] : text.split('\0');
}

export function headersOf(pairs) {
  const headers = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i], value = pairs[i + 1], old = headers[name];
    if (name === 'set-cookie') headers[name] = old === undefined ? [value] : [...old, value];
    else if (old === undefined) headers[name] = value;
    else if (!FIRST.has(name)) headers[name] = old + (name === 'cookie' ? '; ' : ', ') + value;
  }
  return headers;
}

function queriesOf(pairs) {
  const queries = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i], value = pairs[i + 1];
    if (!Object.hasOwn(queries, name)) queries[name] = value;
    else if (Array.isArray(queries[name])) queries[name].push(value);
    else queries[name] = [queries[name], value];
  }
  return queries;
}

// A property that is made when it is first read, and can be set.
function lazy(prototype, name, make) {
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = make(this);
      Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
      return value;
    },
    set(value) {
      Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
    },
  });
}

// A readable stream that becomes one when somebody reads it: most handlers take `body`. What the host keeps of the request
// is asked for at the first use, and only by the call that it belongs to.
function Request() {}
Request.prototype = Object.create(IncomingMessage.prototype, { constructor: { value: Request, configurable: true, writable: true } });
lazy(Request.prototype, 'body', () => Buffer.alloc(0));
lazy(Request.prototype, 'rawHeaders', (request) => (isCurrent(request._wispCall) ? pairsOf(native.request_headers()) : []));
lazy(Request.prototype, 'headers', (request) => headersOf(request.rawHeaders));
lazy(Request.prototype, 'queries', (request) => (isCurrent(request._wispCall) ? queriesOf(native.request_queries()) : {}));
lazy(Request.prototype, 'clientIP', (request) => (isCurrent(request._wispCall) ? native.client_ip() : ''));
lazy(Request.prototype, 'ip', (request) => request.clientIP);
lazy(Request.prototype, 'socket', (request) => ({ remoteAddress: request.clientIP, encrypted: false, destroy() {}, on() {}, once() {} }));
lazy(Request.prototype, 'connection', (request) => request.socket);
Object.assign(Request.prototype, { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1, complete: true, aborted: false });
Request.prototype.getHeader = function (name) {
  return this.headers[String(name).toLowerCase()];
};
Object.defineProperty(Request.prototype, '_readableState', {
  configurable: true,
  get() {
    Object.defineProperty(this, '_readableState', { value: undefined, writable: true, configurable: true });
    Readable.call(this, { read() {} });
    if (this._wispBody !== undefined) this.push(this._wispBody);
    this.push(null);
    return this._readableState;
  },
  set(value) {
    Object.defineProperty(this, '_readableState', { value, writable: true, configurable: true });
  },
});
Request.prototype._read = function () {};
Request.prototype._destroy = function (error, callback) {
  callback(error);
};
keep(KEPT.REQUEST, original(Request.prototype, { method: undefined, path: undefined, url: undefined }, { _wispCall: undefined }));
keep(KEPT.REQUEST_WITH_BODY, original(Request.prototype, { method: undefined, path: undefined, url: undefined, body: undefined }, { _wispCall: undefined, _wispBody: undefined }));
keep(KEPT.BUFFER_OF, bufferOf);

// Plain properties and a flat list: private fields and a Map would cost more than the rest of a short handler's call.
function Response() {}

Response.prototype = {
  constructor: Response,
  setStatusCode(code) {
    if ((code | 0) !== code && !Number.isInteger(code)) throw new TypeError('statusCode must be an integer, not ' + String(code));
    this._wispStatus = code;
  },

  setHeader(key, value) {
    if (typeof key !== 'string') throw new TypeError('the name of a header must be a string');
    const name = key.toLowerCase();
    const headers = this._wispHeaders;
    if (headers === null) {
      this._wispHeaders = [name, value];
      return;
    }
    const at = headerAt(headers, name);
    if (at < 0) headers.push(name, value);
    else headers[at + 1] = value;
  },

  deleteHeader(key) {
    const at = headerAt(this._wispHeaders, String(key).toLowerCase());
    if (at >= 0) this._wispHeaders.splice(at, 2);
  },

  hasHeader(key) {
    return headerAt(this._wispHeaders, String(key).toLowerCase()) >= 0;
  },

  getHeader(key) {
    const at = headerAt(this._wispHeaders, String(key).toLowerCase());
    return at < 0 ? undefined : this._wispHeaders[at + 1];
  },

  send(body) {
    if (this._wispSent) throw new Error('the response was sent already: send can be called once');
    if (body === undefined || body === null) body = '';
    else if (typeof body !== 'string' && !(body instanceof Uint8Array)) return sendStream(this, body);
    this._wispSent = true;
    const headers = this._wispHeaders;
    respond(this._wispCall, this._wispStatus, headers === null ? headers : flatHeaders(headers), body);
  },
};

for (const name of ['setStatusCode', 'setHeader', 'send']) Response.prototype[name] = faster(name, Response.prototype[name]);
// `_wispHeaders` has lower-case names and values in turn, and is null without any.
keep(KEPT.RESPONSE, original(Response.prototype, {}, { _wispCall: undefined, _wispStatus: 200, _wispHeaders: null, _wispSent: false }));

function headerAt(headers, name) {
  if (headers !== null) for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return i;
  return -1;
}

function sendStream(response, body) {
  if (typeof body !== 'object' || typeof body.pipe !== 'function' || typeof body.on !== 'function') {
    throw new TypeError('the body must be a Buffer, a string or a stream.Readable');
  }
  response._wispSent = true;
  const chunks = [];
  body.on('data', (chunk) => chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
  body.on('error', (error) => failUnhandled(response._wispCall, error));
  body.on('end', () => respond(response._wispCall, response._wispStatus, flatHeaders(response._wispHeaders), Buffer.concat(chunks)));
}

// Names and values in turn, all of them texts. The host leaves out those that a function cannot set.
export function flatHeaders(headers) {
  if (headers === null) return headers;
  for (let i = 1; i < headers.length; i += 2) if (typeof headers[i] !== 'string') return expanded(headers);
  return headers;
}

function expanded(headers) {
  const flat = [];
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1];
    if (Array.isArray(value)) for (const each of value) flat.push(headers[i], String(each));
    else flat.push(headers[i], String(value));
  }
  return flat;
}

// What a handler returned, if that is an object: a promise of nothing, at most.
keep(KEPT.LATER, (invocation, returned) => {
  try {
    if (isThenable(returned)) returned.then(undefined, (error) => failUnhandled(invocation, error));
  } catch (error) {
    failUnhandled(invocation, error);
  }
});
