// Requests of the function to a server of its own.
import { Socket, dispatch } from '__wasm_rquickjs_builtin/wisp/dispatch';
import { has } from '__wasm_rquickjs_builtin/wisp/platform';
import { Buffer } from 'node:buffer';
import { Writable } from 'node:stream';
import { ServerIncomingMessage } from '__wasm_rquickjs_builtin/node_http_server';

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

// A request to one of these servers; undefined if it is for somebody else.
export function localRequest(servers, options, callback) {
  const { socketPath, port } = options;
  const host = options.hostname ?? options.host ?? 'localhost';
  const isOurs = socketPath ? (at) => at.path === socketPath : (at) => LOCAL.has(host) && at.port === Number(port);
  const server = servers.find((each) => isOurs(each._wispAddress));
  return server && new LocalRequest(server, options, callback);
}
