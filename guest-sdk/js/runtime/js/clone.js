// structuredClone, as HTML defines it and Node words its errors. The generated one keeps neither the class, the cause and the
// stack of an error nor that two views share a buffer.
import { types } from 'node:util';

const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
const UNIQUE = [Promise, WeakMap, WeakSet, WeakRef, FinalizationRegistry];
const viewName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
// What keys and the like have, which know how to copy themselves.
const CLONES_ITSELF = Symbol.for('__wasm_rquickjs.structuredClone');
const IS_FILE = Symbol.for('kFileBackedBlob');

const typeError = (code, message) => Object.assign(new TypeError(message), { code });
const cannot = (what) => new DOMException(`${what} could not be cloned.`, 'DataCloneError');

function define(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
}

// `known`: what was cloned, with its clones; transferred things are there from the start.
function clone(value, known) {
  if (typeof value === 'symbol' || typeof value === 'function') throw cannot(String(value));
  if (typeof value !== 'object' || value === null) return value;
  if (known.has(value)) return known.get(value);
  const copy = begin(value, known);
  known.set(value, copy);
  fill(value, copy, known);
  return copy;
}

// The clone without what it refers to, which may refer to it.
function begin(value, known) {
  if (typeof value[CLONES_ITSELF] === 'function') return value[CLONES_ITSELF]();
  if (Array.isArray(value)) return new Array(value.length);
  if (types.isDate(value)) return new Date(value.getTime());
  if (types.isRegExp(value)) return new RegExp(value.source, value.flags);
  if (types.isMap(value)) return new Map();
  if (types.isSet(value)) return new Set();
  if (value instanceof ArrayBuffer) return bufferOf(value);
  if (ArrayBuffer.isView(value)) return viewOf(value, known);
  if (value instanceof DOMException) return new DOMException(value.message, value.name);
  if (types.isNativeError(value) || value instanceof Error) return errorOf(value);
  if (types.isBoxedPrimitive(value)) return boxOf(value);
  if (value instanceof Blob) return blobOf(value);
  refuse(value);
  return {};
}

function bufferOf(buffer) {
  if (buffer.detached) throw cannot('An ArrayBuffer is detached and');
  return buffer.slice(0);
}

function viewOf(view, known) {
  const buffer = clone(view.buffer, known);
  if (view instanceof DataView) return new DataView(buffer, view.byteOffset, view.byteLength);
  return new globalThis[viewName.call(view)](buffer, view.byteOffset, view.length);
}

// Of the class that has its name; of Error, if the language has no such class.
function errorOf(error) {
  const name = String(error.name);
  const copy = new (Object.hasOwn(ERRORS, name) ? ERRORS[name] : Error)();
  define(copy, 'stack', typeof error.stack === 'string' ? error.stack : undefined);
  if (Object.hasOwn(error, 'message')) define(copy, 'message', String(error.message));
  return copy;
}

function boxOf(box) {
  const value = box.valueOf();
  if (typeof value === 'symbol') throw cannot('[object Symbol]');
  return Object(value);
}

// It never changes.
function blobOf(blob) {
  if (blob[IS_FILE]) throw Object.assign(new Error('Invalid state: File-backed Blobs are not cloneable'), { code: 'ERR_INVALID_STATE' });
  return blob;
}

function refuse(value) {
  if (isTransferable(value)) {
    throw typeError('ERR_MISSING_TRANSFERABLE_IN_TRANSFER_LIST', 'Object that needs transfer was found in message but not listed in transferList');
  }
  const unique = UNIQUE.find((type) => value instanceof type);
  if (unique !== undefined) throw cannot(`#<${unique.name}>`);
  const text = Object.prototype.toString.call(value);
  if (/(Generator|Iterator)\]$/.test(text)) throw cannot(text);
}

function fill(value, copy, known) {
  if (types.isMap(copy)) {
    for (const [key, entry] of [...Map.prototype.entries.call(value)]) copy.set(clone(key, known), clone(entry, known));
  } else if (types.isSet(copy)) {
    for (const entry of [...Set.prototype.values.call(value)]) copy.add(clone(entry, known));
  } else if (copy instanceof Error) {
    if (Object.hasOwn(value, 'cause')) define(copy, 'cause', clone(value.cause, known));
  } else if (Array.isArray(copy) || (Object.getPrototypeOf(copy) === Object.prototype && copy !== value)) {
    for (const key of Object.keys(value)) {
      Object.defineProperty(copy, key, { value: clone(value[key], known), writable: true, enumerable: true, configurable: true });
    }
  }
}

function isTransferable(value) {
  return value instanceof ReadableStream || value instanceof WritableStream || value instanceof TransformStream || value instanceof MessagePort;
}

// What stands for a transferred thing, which itself can no longer be used.
function moved(item) {
  if (item instanceof ReadableStream) return item.pipeThrough(new TransformStream());
  if (item instanceof WritableStream) {
    const writer = item.getWriter();
    return new WritableStream({ write: (chunk) => writer.write(chunk), close: () => writer.close(), abort: (reason) => writer.abort(reason) });
  }
  if (item instanceof TransformStream) {
    const ends = { readable: moved(item.readable), writable: moved(item.writable) };
    return Object.defineProperties(Object.create(TransformStream.prototype), { readable: { value: ends.readable }, writable: { value: ends.writable } });
  }
  return item;
}

function transferOf(options) {
  if (options === undefined || options === null) return [];
  if (typeof options !== 'object') throw typeError('ERR_INVALID_ARG_TYPE', 'The options argument must be either an object or undefined');
  const { transfer } = options;
  if (transfer === undefined || transfer === null) return [];
  if (typeof transfer !== 'object' || typeof transfer[Symbol.iterator] !== 'function') {
    throw typeError('ERR_INVALID_ARG_TYPE', 'Optional transferList argument must be an iterable');
  }
  const list = [...transfer];
  for (const item of list) {
    if (!(item instanceof ArrayBuffer) && !isTransferable(item)) throw typeError('ERR_INVALID_TRANSFER_OBJECT', 'Found invalid object in transferList');
  }
  if (new Set(list).size < list.length) throw new DOMException('Transfer list contains duplicate ArrayBuffer', 'DataCloneError');
  return list;
}

export function structuredClone(...given) {
  if (given.length === 0) throw typeError('ERR_MISSING_ARGS', 'The value argument must be specified');
  const [value, options] = given;
  const list = transferOf(options);
  const known = new Map(list.filter(isTransferable).map((item) => [item, moved(item)]));
  const copy = clone(value, known);
  for (const item of list) if (item instanceof ArrayBuffer && !item.detached) item.transfer(0);
  return copy;
}
