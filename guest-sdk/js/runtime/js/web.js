// What the built-in modules lack, and what must say that it is lacking.
import Module from 'node:module';
import childProcess from 'node:child_process';
import cluster from 'node:cluster';
import http2 from 'node:http2';
import os from 'node:os';
import workerThreads from 'node:worker_threads';
import * as zlib from 'node:zlib';
import { Buffer } from 'node:buffer';
import { readForm } from '__wasm_rquickjs_builtin/wisp/bodies';
import { structuredClone } from '__wasm_rquickjs_builtin/wisp/clone';
import * as intl from '__wasm_rquickjs_builtin/wisp/intl';

const FORMATS = {
  gzip: ['createGzip', 'createGunzip'],
  deflate: ['createDeflate', 'createInflate'],
  'deflate-raw': ['createDeflateRaw', 'createInflateRaw'],
};

// A pair of streams around one of zlib's.
function pair(format, which) {
  const names = FORMATS[format];
  if (names === undefined) throw new TypeError("unsupported compression format '" + String(format) + "'");
  const engine = zlib[names[which]]();
  const readable = new ReadableStream({
    start(controller) {
      engine.on('data', (chunk) => controller.enqueue(new Uint8Array(chunk)));
      engine.on('end', () => controller.close());
      engine.on('error', (error) => controller.error(new TypeError(error.message)));
    },
  });
  const writable = new WritableStream({
    write: (chunk) => new Promise((resolve, reject) => engine.write(Buffer.from(chunk), (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve) => engine.end(resolve)),
    abort: (reason) => void engine.destroy(reason),
  });
  return { readable, writable };
}

const MISSING = [
  ['child_process', childProcess, ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync']],
  ['cluster', cluster, ['fork']],
  ['http2', http2, ['connect', 'createSecureServer', 'createServer']],
  ['worker_threads', workerThreads, ['Worker']],
];

function refuse() {
  for (const [name, module, members] of MISSING) {
    for (const member of members) {
      module[member] = function () {
        throw Object.assign(new Error(`${name}.${member} is not available: a function is one process without threads`), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
      };
    }
  }
}

const ENCODINGS = ['ascii', 'base64', 'base64url', 'hex', 'latin1', 'ucs2', 'utf16le', 'utf8'];

// Node does not document these, but packages call them for speed: busboy, and with it multer, for every part of a form.
function completeBuffer() {
  const { toString, write } = Buffer.prototype;
  for (const encoding of ENCODINGS) {
    const methods = {
      Slice: function (start, end) {
        return toString.call(this, encoding, start, end);
      },
      Write: function (text, offset = 0, length = this.length - offset) {
        return write.call(this, text, offset, length, encoding);
      },
    };
    for (const [name, value] of Object.entries(methods)) Object.defineProperty(Buffer.prototype, encoding + name, { value, writable: true, configurable: true });
  }
}

export function install() {
  refuse();
  completeBuffer();
  intl.install();
  globalThis.structuredClone = structuredClone;
  for (const { prototype } of [Request, Response]) {
    Object.defineProperty(prototype, 'formData', { value: async function formData() { return readForm(this); }, writable: true, configurable: true });
  }
  // Packages that ask mean Unix or Windows.
  Object.defineProperty(process, 'platform', { value: 'linux', enumerable: true, configurable: true, writable: false });
  os.platform = () => 'linux';
  Module.syncBuiltinESMExports();
  globalThis.CompressionStream ??= class CompressionStream {
    constructor(format) {
      Object.assign(this, pair(format, 0));
    }
  };
  globalThis.DecompressionStream ??= class DecompressionStream {
    constructor(format) {
      Object.assign(this, pair(format, 1));
    }
  };
  const send = globalThis.fetch;
  globalThis.fetch = async function fetch(resource, options) {
    try {
      return await send(resource, options);
    } catch (error) {
      // What the host could not do is a TypeError there, with the reason behind it.
      throw error?.constructor === Error ? new TypeError('fetch failed: ' + error.message, { cause: error }) : error;
    }
  };
  Number.prototype.toLocaleString = function toLocaleString(locales, options) {
    return new Intl.NumberFormat(locales, options).format(Number(this));
  };
}
