// Event handlers: `(event, context, callback)` that call back, return a promise, or return a value.
import { begin, failHandled, failUnhandled, succeed } from '__wasm_rquickjs_builtin/wisp/invocation';
import { contextOf } from '__wasm_rquickjs_builtin/wisp/context';
import { Buffer } from 'node:buffer';

// A Buffer over an ArrayBuffer that nobody else has: what `Buffer.from` makes of it, without its checks.
export function bufferOf(bytes) {
  return Reflect.construct(Uint8Array, [bytes], Buffer);
}

// A result as bytes or text.
export function resultOf(value) {
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'string':
      return value;
    case 'object':
      if (value === null) return undefined;
      if (value instanceof Uint8Array) return value;
      if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      if (value instanceof ArrayBuffer) return new Uint8Array(value);
      return JSON.stringify(value);
    default:
      return String(value);
  }
}

export function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

function finish(invocation, value, convert) {
  let result;
  try {
    result = convert(value);
  } catch (error) {
    return failUnhandled(invocation, error);
  }
  succeed(invocation, result);
}

// Calls a function of the user with one or two arguments, and with a callback. It ends the invocation in one of three ways.
// `callbackAt` is the number of parameters of one that calls back: such a one is waited for even if it returns.
export function call(invocation, f, first, second, callbackAt, convert) {
  let calledBack = false;
  const callback = (error, value) => {
    calledBack = true;
    if (error) failHandled(invocation, error);
    else finish(invocation, value, convert);
  };
  const mayCallBack = f.length >= callbackAt;
  try {
    const returned = second === undefined ? f(first, callback) : f(first, second, callback);
    if (returned !== undefined && isThenable(returned)) {
      returned.then(
        (value) => {
          if (!(mayCallBack && value === undefined && !calledBack)) finish(invocation, value, convert);
        },
        (error) => failUnhandled(invocation, error),
      );
    } else if (!mayCallBack) {
      finish(invocation, returned, convert);
    }
  } catch (error) {
    failUnhandled(invocation, error);
  }
}

export function invoke(handler, bytes, requestId, retryCount, traceParent) {
  const invocation = begin(requestId);
  call(invocation, handler, bufferOf(bytes), contextOf(requestId, retryCount, traceParent), 3, resultOf);
}
