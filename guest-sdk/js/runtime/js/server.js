// Server mode: what `http.createServer(...).listen(...)` registered gets its requests here, without a socket.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { begin, failUnhandled, failWith, respond, succeed } from '__wasm_rquickjs_builtin/wisp/invocation';
import { identityOf } from '__wasm_rquickjs_builtin/wisp/context';
import { bufferOf } from '__wasm_rquickjs_builtin/wisp/event';
import { flatHeaders, headersOf, pairsOf } from '__wasm_rquickjs_builtin/wisp/http';
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { Server as NetServer } from 'node:net';
import { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ServerIncomingMessage } from '__wasm_rquickjs_builtin/node_http_server';

const PORT = 9000;
const NOTHING = Buffer.alloc(0);
const servers = [];

// What requests and responses hold of ours: names and values of a request's headers, or what gives them; the pieces of an
// answer, and what takes it.
const [RAW, PIECES, DONE] = ['raw', 'pieces', 'done'].map(Symbol);

export function listening() {
  return servers.length > 0;
}

// The server that takes requests: the one on the port that the platform calls, or else the first.
function main() {
  const port = Number(process.env.FC_SERVER_PORT ?? process.env.FC_CUSTOM_LISTEN_PORT ?? PORT);
  return servers.find((server) => server._wispAddress.port === port) ?? servers[0];
}

function listen(...args) {
  const callback = typeof args.at(-1) === 'function' ? args.pop() : undefined;
  const first = args[0];
  const options = first !== null && typeof first === 'object' ? first : typeof first === 'string' && !/^\d+$/.test(first) ? { path: first } : { port: first, host: typeof args[1] === 'string' ? args[1] : undefined };
  this._wispAddress = options.path === undefined
    ? { address: options.host ?? '::', family: 'IPv4', port: Number(options.port ?? 0) || PORT }
    : { path: options.path };
  Object.defineProperty(this, 'listening', { value: true, writable: true, configurable: true });
  if (callback) this.once('listening', callback);
  if (!servers.includes(this)) servers.push(this);
  process.nextTick(() => this.emit('listening'));
  return this;
}

function close(callback) {
  const at = servers.indexOf(this);
  if (at >= 0) servers.splice(at, 1);
  Object.defineProperty(this, 'listening', { value: false, writable: true, configurable: true });
  if (callback) this.once('close', callback);
  process.nextTick(() => this.emit('close'));
  return this;
}

export function install() {
  Object.assign(Server.prototype, {
    listen,
    close,
    address() {
      return this._wispAddress?.path ?? this._wispAddress ?? null;
    },
    ref() {
      return this;
    },
    unref() {
      return this;
    },
  });
  globalThis[Symbol.for('wisp.localRequest')] = localRequest;
  // Frameworks exchange the prototype of a request, but for one that has Node's own behind it.
  makeHeadersLazy(IncomingMessage.prototype);
  makeHeadersLazy(ServerIncomingMessage.prototype);
  captureOutput(ServerResponse.prototype);
  NetServer.prototype.listen = function () {
    throw Object.assign(new Error('net.Server cannot listen: a function gets requests by HTTP; use http.createServer'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
  };
}

const LOCAL = new Set(['localhost', '127.0.0.1', '::1', '0.0.0.0']);

// A request of the function to a server of its own, such as that of an adapter that listens on a Unix socket.
class LocalRequest extends Writable {
  #chunks = [];
  #headers;

  constructor(server, options, callback) {
    super();
    this.#headers = { ...options.headers };
    this.method = String(options.method ?? 'GET').toUpperCase();
    this.path = options.path ?? '/';
    if (callback) this.once('response', callback);
    this.once('finish', () => this.#send(server));
  }

  setHeader(name, value) {
    this.#headers[name] = value;
  }
  getHeader(name) {
    return this.#headers[name];
  }
  removeHeader(name) {
    delete this.#headers[name];
  }
  setTimeout() {
    return this;
  }
  setNoDelay() {}
  setSocketKeepAlive() {}
  flushHeaders() {}
  abort() {
    this.destroy();
  }

  _write(chunk, encoding, callback) {
    this.#chunks.push(chunk);
    callback();
  }

  #send(server) {
    const body = Buffer.concat(this.#chunks);
    const headers = Object.entries(this.#headers).flatMap(([name, value]) => (value === undefined ? [] : [name.toLowerCase(), String(value)]));
    if (body.length > 0 && !has(headers, 'content-length') && !has(headers, 'transfer-encoding')) headers.push('content-length', String(body.length));
    dispatch(server, { method: this.method, url: this.path, headers, body, remoteAddress: '127.0.0.1' }, (response, output) => {
      const flat = Object.entries(response._headers).flatMap(([name, value]) => (Array.isArray(value) ? value.flatMap((each) => [name, String(each)]) : [name, String(value)]));
      const answer = new ServerIncomingMessage(new Socket('127.0.0.1'), null, '', '1.1', flat);
      Object.assign(answer, { statusCode: response.statusCode, statusMessage: response.statusMessage, complete: true, _destroy: (error, callback) => callback(error) });
      if (output.length > 0) answer.push(output);
      answer.push(null);
      this.emit('response', answer);
    }, (error) => this.emit('error', error));
  }
}

function localRequest(options, callback) {
  const { socketPath, port } = options;
  const host = options.hostname ?? options.host ?? 'localhost';
  const isOurs = socketPath ? (at) => at.path === socketPath : (at) => LOCAL.has(host) && at.port === Number(port);
  const server = servers.find((each) => isOurs(each._wispAddress));
  return server && new LocalRequest(server, options, callback);
}

// Of two dozen headers most handlers read none or a few: they are put together when somebody looks.
function makeHeadersLazy(prototype) {
  const own = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true });
  for (const [name, make] of Object.entries({ headers: headersOf, headersDistinct: distinct, rawHeaders: (pairs) => [...pairs] })) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      get() {
        if (this[RAW] === undefined) return undefined;
        if (typeof this[RAW] === 'function') this[RAW] = this[RAW]();
        const value = make(this[RAW]);
        own(this, name, value);
        return value;
      },
      set(value) {
        own(this, name, value);
      },
    });
  }
}

function distinct(pairs) {
  const headers = Object.create(null);
  for (let i = 0; i < pairs.length; i += 2) (headers[pairs[i]] ??= []).push(pairs[i + 1]);
  return headers;
}

class Socket extends EventEmitter {
  constructor(remoteAddress) {
    super();
    this.remoteAddress = remoteAddress;
  }

  setTimeout() { return this; }
  setNoDelay() { return this; }
  setKeepAlive() { return this; }
  ref() { return this; }
  unref() { return this; }
  cork() {}
  uncork() {}
  write() { return true; }
  end() { return this; }
  resume() { return this; }
  pause() { return this; }
  destroySoon() { this.destroy(); }
  destroy(error) {
    if (this.destroyed) return this;
    this.destroyed = true;
    if (this.listenerCount('close') > 0) process.nextTick(() => this.emit('close', Boolean(error)));
    return this;
  }
}

Object.assign(Socket.prototype, {
  remoteFamily: 'IPv4',
  remotePort: 0,
  localAddress: '127.0.0.1',
  localPort: PORT,
  encrypted: false,
  destroyed: false,
  readable: true,
  writable: true,
  writableLength: 0,
  writableHighWaterMark: 16384,
});

// Responses that have `PIECES` keep their output instead of writing it.
function captureOutput(prototype) {
  const { _buildHeaderString, _sendHeaders, end, _writeOutput } = prototype;
  const own = {
    _buildHeaderString() {
      if (this[PIECES] === undefined) return _buildHeaderString.call(this);
      this.headersSent = true;
      this._header = 'HTTP/1.1 ' + this.statusCode;
      return '';
    },
    _sendHeaders() {
      if (this[PIECES] === undefined) return _sendHeaders.call(this);
      if (this._headersSentWire) return true;
      // Middleware replaces `writeHead` to see the headers before they go.
      if (!this.headersSent) this.writeHead(this.statusCode);
      this._headersSentWire = true;
      return true;
    },
    end(...args) {
      // Else head and body would be put into one piece.
      if (this[PIECES] !== undefined && !this._writableEnded && !this._destroyed) this._sendHeaders();
      return end.apply(this, args);
    },
    _writeOutput(data, callback) {
      if (this[PIECES] === undefined) return _writeOutput.call(this, data, callback);
      if (data.length > 0) this[PIECES].push(data);
      if (typeof callback === 'function') process.nextTick(callback);
      return true;
    },
  };
  for (const [name, value] of Object.entries(own)) Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
}

function finished() {
  const pieces = this[PIECES];
  this._closed = true;
  this[DONE](this, pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
  process.nextTick(closeAnswered, this);
}

function closeAnswered(response) {
  response.emit('close');
  response.req.socket?.destroy();
}

function forgetError(error, callback) {
  callback(error);
}

// Emits a request. `done(response, body)` is called when it is answered; `failed(error)` if it cannot be. `headers` are names
// and values in turn, or what gives them.
export function dispatch(server, { method, url, headers, body, remoteAddress }, done, failed) {
  const socket = new Socket(remoteAddress);
  const request = new ServerIncomingMessage(socket, method, url, '1.1', null);
  request[RAW] = headers;
  request.complete = true;
  request._destroy = forgetError;
  const response = new ServerResponse(request);
  socket._httpMessage = response;
  response[PIECES] = [];
  response[DONE] = done;
  response.once('finish', finished);
  response.once('error', failed);
  if (body.length > 0) request.push(body);
  request.push(null);
  if (!server.emit('request', request, response)) {
    response.statusCode = 404;
    response.end();
  }
}

// Names and values of the headers that the platform adds.
function commonHeaders(requestId, path) {
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
function targetOf(path, url) {
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

function has(headers, name) {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}

export function handleHttp(method, path, url, bytes, requestId) {
  const invocation = begin(requestId);
  const { target, base } = targetOf(path, url);
  const text = native.request_headers();
  const headers = () => {
    const pairs = pairsOf(text);
    if (bytes !== undefined && !has(pairs, 'content-length') && !has(pairs, 'transfer-encoding')) pairs.push('content-length', String(bytes.byteLength));
    pairs.push(...commonHeaders(requestId, '/http-invoke'));
    if (base !== undefined) pairs.push('x-fc-base-path', base);
    return pairs;
  };
  const request = { method, url: target, headers, body: bytes === undefined ? NOTHING : bufferOf(bytes), remoteAddress: native.client_ip() };
  run(invocation, request, (response, body) => respond(invocation, response.statusCode, responseHeaders(response), body));
}

function responseHeaders(response) {
  return flatHeaders(Object.entries(response._headers).flat(1));
}

function run(invocation, request, done) {
  const failed = (error) => failUnhandled(invocation, error);
  try {
    const server = main();
    if (server === undefined) return failed(new Error('the server was closed: it must go on listening to take requests'));
    dispatch(server, request, done, failed);
  } catch (error) {
    failed(error);
  }
}

function post(path, body, requestId, done) {
  const headers = ['host', '127.0.0.1:' + PORT, 'content-type', 'application/octet-stream', 'content-length', String(body.length), ...commonHeaders(requestId, path)];
  run(done.invocation, { method: done.method ?? 'POST', url: path, headers, body, remoteAddress: '127.0.0.1' }, done);
}

export function handleEvent(bytes, requestId) {
  const invocation = begin(requestId);
  const done = (response, body) => {
    const status = response._headers['x-fc-status'];
    if (status !== undefined && String(status) !== '200') failWith(invocation, true, reportOf(body, 'the server answered /invoke with x-fc-status ' + String(status)));
    else succeed(invocation, body);
  };
  post('/invoke', bufferOf(bytes), requestId, Object.assign(done, { invocation }));
}

function reportOf(body, otherwise) {
  const text = body.toString();
  return text === '' ? JSON.stringify({ errorMessage: otherwise }) : text;
}

const PATHS = { initializer: ['POST', '/initialize'], preFreeze: ['GET', '/pre-freeze'], preStop: ['GET', '/pre-stop'] };

export function handleHook(name, requestId) {
  const invocation = begin(requestId);
  const [method, path] = PATHS[name];
  const done = (response, body) => {
    const refused = response.statusCode >= 400 || ['404', '500'].includes(String(response._headers['x-fc-status'] ?? ''));
    if (refused) failWith(invocation, false, reportOf(body, 'the server answered ' + path + ' with ' + response.statusCode));
    else succeed(invocation, undefined);
  };
  post(path, Buffer.alloc(0), requestId, Object.assign(done, { invocation, method }));
}
