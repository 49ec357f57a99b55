// The console and `context.logger` in FC's line format: time, request id, level, text.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { currentRequestId } from '__wasm_rquickjs_builtin/wisp/invocation';
import { setLog } from '__wasm_rquickjs_builtin/wisp/errors';
import { Console } from 'node:console';
import { format } from 'node:util';

const LEVELS = { debug: 0, verbose: 1, info: 2, warn: 3, error: 4, off: 5 };
let threshold = LEVELS.debug;
let indentation = '';

function write(level, text) {
  const requestId = currentRequestId();
  const prefix = requestId === undefined ? '' : new Date().toISOString() + ' ' + requestId + ' [' + level + '] ';
  const indented = indentation === '' ? text : indentation + text.replaceAll('\n', '\n' + indentation);
  native.log(level === 'warn' || level === 'error', prefix + indented + '\n');
}

const at = (level) => function (...args) {
  if (LEVELS[level] < threshold) return;
  write(level, args.length === 1 && typeof args[0] === 'string' ? args[0] : format(...args));
};

const methods = { debug: at('debug'), info: at('info'), log: at('info'), warn: at('warn'), error: at('error') };

export const logger = {
  ...methods,
  setLogLevel(level) {
    const wanted = LEVELS[String(level).toLowerCase()];
    if (wanted === undefined) throw new TypeError('unknown log level ' + String(level) + ': use debug, info, warn or error');
    threshold = wanted;
  },
};

// A stream that a console of Node writes whole messages to.
const stream = (level) => ({ isTTY: false, write: (text) => (write(level, String(text).replace(/\n$/, '')), true), on() {}, once() {}, removeListener() {} });

export function install() {
  setLog(write);
  const base = new Console({ stdout: stream('info'), stderr: stream('error') });
  for (const name of ['assert', 'count', 'countReset', 'dir', 'dirxml', 'table', 'time', 'timeEnd', 'timeLog']) {
    globalThis.console[name] = base[name].bind(base);
  }
  Object.assign(globalThis.console, methods, {
    trace(...args) {
      const error = { name: 'Trace', message: format(...args) };
      Error.captureStackTrace(error, globalThis.console.trace);
      write('error', 'Trace: ' + error.message + '\n' + String(error.stack).split('\n').filter((line) => /^\s+at /.test(line)).join('\n'));
    },
    group(...label) {
      if (label.length > 0) methods.log(...label);
      indentation += '  ';
    },
    groupEnd() {
      indentation = indentation.slice(2);
    },
  });
  globalThis.console.groupCollapsed = globalThis.console.group;
}
