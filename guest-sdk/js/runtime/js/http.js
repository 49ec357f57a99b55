// HTTP handlers: `(req, resp, context)`.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { begin, failUnhandled, respond } from '__wasm_rquickjs_builtin/wisp/invocation';
import { contextOf } from '__wasm_rquickjs_builtin/wisp/context';
import { isThenable } from '__wasm_rquickjs_builtin/wisp/event';
import { Buffer } from 'node:buffer';
import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

// Of these Node keeps the first value; others are joined.
const FIRST = new Set(['age', 'authorization', 'content-length', 'content-type', 'etag', 'expires', 'from', 'host', 'if-modified-since', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'proxy-authorization', 'referer', 'retry-after', 'user-agent']);
const IGNORED = new Set(['connection', 'content-length', 'date', 'keep-alive', 'server', 'upgrade']);

export function pairsOf(text) {
  const pairs = text.split('\0');
  pairs.pop();
  return pairs;
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

// A readable stream that becomes one when somebody reads it: most handlers take `body`.
function Request(method, path, url, body) {
  this.method = method;
  this.path = path;
  this.url = url;
  this.body = body;
  Object.defineProperty(this, '_wispBody', { value: body, writable: true });
}
Request.prototype = Object.create(IncomingMessage.prototype, { constructor: { value: Request, configurable: true, writable: true } });
lazy(Request.prototype, 'rawHeaders', () => pairsOf(native.request_headers()));
lazy(Request.prototype, 'headers', (request) => headersOf(request.rawHeaders));
lazy(Request.prototype, 'queries', () => queriesOf(pairsOf(native.request_queries())));
lazy(Request.prototype, 'clientIP', () => native.client_ip());
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
    if (this._wispBody.length > 0) this.push(this._wispBody);
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

class Response {
  #invocation;
  #status = 200;
  #headers = new Map();
  #sent = false;

  constructor(invocation) {
    this.#invocation = invocation;
  }

  setStatusCode(code) {
    if (!Number.isInteger(code)) throw new TypeError('statusCode must be an integer, not ' + String(code));
    this.#status = code;
  }

  setHeader(key, value) {
    if (typeof key !== 'string') throw new TypeError('the name of a header must be a string');
    this.#headers.set(key.toLowerCase(), [key, value]);
  }

  deleteHeader(key) {
    this.#headers.delete(String(key).toLowerCase());
  }

  hasHeader(key) {
    return this.#headers.has(String(key).toLowerCase());
  }

  getHeader(key) {
    return this.#headers.get(String(key).toLowerCase())?.[1];
  }

  send(body) {
    if (this.#sent) throw new Error('the response was sent already: send can be called once');
    const readable = body !== null && typeof body === 'object' && typeof body.pipe === 'function' && typeof body.on === 'function';
    if (body !== undefined && body !== null && typeof body !== 'string' && !(body instanceof Uint8Array) && !readable) {
      throw new TypeError('the body must be a Buffer, a string or a stream.Readable');
    }
    this.#sent = true;
    if (!readable) return this.#respond(body ?? '');
    const chunks = [];
    body.on('data', (chunk) => chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
    body.on('error', (error) => failUnhandled(this.#invocation, error));
    body.on('end', () => this.#respond(Buffer.concat(chunks)));
  }

  #respond(body) {
    respond(this.#invocation, this.#status, flatHeaders(this.#headers.values()), body);
  }
}

// Names and values in turn, without those that a function cannot set.
export function flatHeaders(entries) {
  const flat = [];
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    if (IGNORED.has(lower) || lower.startsWith('x-fc-')) continue;
    if (Array.isArray(value)) for (const each of value) flat.push(lower, String(each));
    else flat.push(lower, String(value));
  }
  return flat;
}

export function invoke(handler, method, path, url, bytes, requestId, traceParent) {
  const invocation = begin(requestId);
  try {
    const request = new Request(method, path, url, Buffer.from(bytes));
    const returned = handler(request, new Response(invocation), contextOf(requestId, 0, traceParent));
    if (isThenable(returned)) returned.then(undefined, (error) => failUnhandled(invocation, error));
  } catch (error) {
    failUnhandled(invocation, error);
  }
}
