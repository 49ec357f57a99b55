// Errors as the caller reads them.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { mapLine } from '__wasm_rquickjs_builtin/wisp/sourcemap';
import { inspect } from 'node:util';

// Frames of the runtime itself tell a user nothing.
const INTERNAL = /__wasm_rquickjs|\(native\)$|at native\b|node:internal|\(<input>|\(node:|at node:/;

function isError(value) {
  return value instanceof Error || (value !== null && typeof value === 'object' && typeof value.message === 'string' && typeof value.stack === 'string');
}

// The stack as lines: name and message first, then frames in the user's own files.
export function stackLines(error) {
  const head = error.message === '' ? String(error.name) : error.name + ': ' + error.message;
  const lines = String(error.stack ?? '').split('\n').filter((line) => line.trim() !== '');
  const frames = lines.filter((line) => /^\s+at /.test(line) && !INTERNAL.test(line)).map(mapLine);
  return [...head.split('\n'), ...frames];
}

export function documentOf(error) {
  if (isError(error)) {
    return JSON.stringify({ errorMessage: String(error.message), errorType: String(error.name), stackTrace: stackLines(error) });
  }
  return JSON.stringify({ errorMessage: textOf(error) });
}

function textOf(value) {
  if (value !== null && typeof value === 'object') {
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return inspect(value);
    }
  }
  return String(value);
}

let log = (level, text) => native.log(true, text + '\n');

export function setLog(write) {
  log = write;
}

export function logError(error) {
  log('error', isError(error) ? stackLines(error).join('\n') : textOf(error));
}
