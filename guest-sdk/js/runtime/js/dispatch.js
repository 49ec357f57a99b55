// A request to a server of Node's API, and its answer, without a socket.
import { headersOf } from '__wasm_rquickjs_builtin/wisp/http';
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { ServerIncomingMessage } from '__wasm_rquickjs_builtin/node_http_server';

export const PORT = 9000;

// What requests and responses hold of ours: names and values of a request's headers, or what gives them; the pieces of an
// answer, and what takes it.
const [RAW, PIECES, DONE] = ['raw', 'pieces', 'done'].map(Symbol);

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

export class Socket extends EventEmitter {
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

export function install() {
  // Frameworks exchange the prototype of a request, but for one that has Node's own behind it.
  makeHeadersLazy(IncomingMessage.prototype);
  makeHeadersLazy(ServerIncomingMessage.prototype);
  captureOutput(ServerResponse.prototype);
}
