// Server mode: what `http.createServer(...).listen(...)` registered gets its requests here, without a socket.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import * as dispatch from '__wasm_rquickjs_builtin/wisp/dispatch';
import { bufferOf } from '__wasm_rquickjs_builtin/wisp/event';
import { flatHeaders, pairsOf } from '__wasm_rquickjs_builtin/wisp/http';
import { begin, failUnhandled, failWith, respond, succeed } from '__wasm_rquickjs_builtin/wisp/invocation';
import { localRequest } from '__wasm_rquickjs_builtin/wisp/local';
import { commonHeaders, has, targetOf } from '__wasm_rquickjs_builtin/wisp/platform';
import { Buffer } from 'node:buffer';
import { Server as NetServer } from 'node:net';
import { Server } from 'node:http';

const { PORT } = dispatch;
const NOTHING = Buffer.alloc(0);
const servers = [];

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
  globalThis[Symbol.for('wisp.localRequest')] = (options, callback) => localRequest(servers, options, callback);
  dispatch.install();
  NetServer.prototype.listen = function () {
    throw Object.assign(new Error('net.Server cannot listen: a function gets requests by HTTP; use http.createServer'), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
  };
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
    dispatch.dispatch(server, request, done, failed);
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
