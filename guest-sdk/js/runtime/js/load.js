// Finds and evaluates the function's modules, and decides what kind of function they are.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { addMap } from '__wasm_rquickjs_builtin/wisp/sourcemap';
import { listening } from '__wasm_rquickjs_builtin/wisp/server';
import Module, { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const EXTENSIONS = ['.js', '.mjs', '.cjs'];
const TYPESCRIPT = { '.ts': '.js', '.tsx': '.js', '.jsx': '.js', '.mts': '.mjs', '.cts': '.cjs' };
const ENTRIES = ['index', 'server', 'app', 'main', 'src/index', 'src/server', 'src/app', 'src/main', 'dist/index'];

// The function as loaded: its handler, its hooks, its style.
export let loaded = null;

class SourceError extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

export function prepare(source) {
  for (const [path, map] of Object.entries(source.translated)) {
    const extension = /\.[a-z]+$/.exec(path)?.[0];
    addMap(path, path, map);
    const name = TYPESCRIPT[extension];
    if (name !== undefined) addMap(path.slice(0, -extension.length) + name, path, map);
  }
}

function exists(path) {
  return native.has_source(path);
}

function fileOf(base) {
  const extension = /\.[a-z]+$/.exec(base)?.[0];
  if (extension in TYPESCRIPT && exists(base)) return base.slice(0, -extension.length) + TYPESCRIPT[extension];
  if (EXTENSIONS.includes(extension) && exists(base)) return base;
  for (const each of EXTENSIONS) if (exists(base + each)) return base + each;
  return undefined;
}

// `index.handler` → the file of `index`, and `handler`. A file alone is a program, such as a server.
function locate(directory, handler) {
  if (handler !== '') {
    const whole = fileOf(directory + '/' + handler);
    if (whole !== undefined) return { file: whole, name: undefined };
    const dot = handler.lastIndexOf('.');
    if (dot <= 0) throw new SourceError('InvalidHandlerName', "Handler '" + handler + "' is not of the form file.function, such as index.handler");
    const file = fileOf(directory + '/' + handler.slice(0, dot));
    if (file !== undefined) return { file, name: handler.slice(dot + 1) };
    throw new SourceError('ImportModuleError', "Cannot find module '" + directory + '/' + handler.slice(0, dot) + ".js'");
  }
  const named = mainOf(directory);
  for (const entry of [...(named === undefined ? [] : [named]), ...ENTRIES]) {
    const file = fileOf(directory + '/' + entry);
    if (file !== undefined) return { file, name: undefined };
  }
  throw new SourceError('ImportModuleError', 'no handler is configured, and there is none of ' + ENTRIES.map((entry) => entry + '.js').join(', '));
}

function mainOf(directory) {
  if (!exists(directory + '/package.json')) return undefined;
  const { main } = packageAt(directory);
  return typeof main === 'string' ? main.replace(/^\.\//, '') : undefined;
}

const require = createRequire('/code/');

function packageAt(directory) {
  try {
    return require(directory + '/package.json') ?? {};
  } catch {
    return {};
  }
}

function isModule(file, directory) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  for (let at = file.slice(0, file.lastIndexOf('/')); at.length >= directory.length; at = at.slice(0, at.lastIndexOf('/'))) {
    if (exists(at + '/package.json')) return packageAt(at).type === 'module';
  }
  return false;
}

async function evaluate(file, directory, isMain) {
  process.argv.splice(0, process.argv.length, '/usr/bin/node', file);
  if (isModule(file, directory)) return import(pathToFileURL(file).href);
  try {
    return Module._load(file, null, isMain);
  } catch (error) {
    if (error?.code !== 'ERR_REQUIRE_ASYNC_MODULE' && error?.code !== 'ERR_REQUIRE_ESM') throw error;
    return import(pathToFileURL(file).href);
  }
}

// A function of a module, by its name: among what it exports by name, or in its default export.
function member(exports, name) {
  for (const from of [exports, exports?.default]) {
    if (typeof from?.[name] === 'function') return from[name].bind(from);
  }
  return undefined;
}

// How many parameters the function declares: `bind` keeps that.
function pick(exports, located, source) {
  const module = located.file.slice(source.directory.length + 1).replace(/\.[cm]?js$/, '');
  if (located.name !== undefined) {
    const handler = member(exports, located.name);
    if (handler !== undefined) return { handler, name: located.name };
    const main = located.name === 'handler' ? member(exports, 'main') : undefined;
    if (main !== undefined) return { handler: main, name: 'main' };
    throw new SourceError('HandlerNotFound', "Handler '" + located.name + "' missing on module '" + module + "'");
  }
  for (const name of ['handler', 'main']) {
    const handler = member(exports, name);
    if (handler !== undefined) return { handler, name };
  }
  const whole = typeof exports === 'function' ? exports : typeof exports?.default === 'function' ? exports.default : undefined;
  if (whole !== undefined) return { handler: whole, name: 'default' };
  throw new SourceError('HandlerNotFound', "module '" + module + "' exports no handler and starts no server");
}

async function hookOf(source, name) {
  const configured = source[name];
  if (configured === undefined || configured === null || configured === '') return undefined;
  const located = locate(source.directory, configured);
  const hook = member(await evaluate(located.file, source.directory, false), located.name ?? name);
  if (hook === undefined) throw new SourceError('HandlerNotFound', "Handler '" + (located.name ?? name) + "' missing on module '" + configured + "'");
  return hook;
}

export async function load(source) {
  const located = locate(source.directory, source.handler);
  const exports = await evaluate(located.file, source.directory, located.name === undefined);
  // A server may begin to listen after something that it awaits, such as `app.ready()`.
  if (located.name === undefined && !listening()) await new Promise((resolve) => setTimeout(resolve, 0));
  if (listening() && (located.name === undefined || member(exports, located.name) === undefined)) {
    const hook = (name) => (source[name] ? true : undefined);
    loaded = { style: 'server', event: true, http: true, initializer: hook('initializer'), preFreeze: hook('preFreeze'), preStop: hook('preStop') };
    return;
  }
  const { handler, name } = pick(exports, located, source);
  // Told that it may be either, a handler of three parameters is what its caller takes it for.
  const either = source.event && source.http;
  const isHttp = source.event || source.http ? source.http && !source.event : source.httpTrigger && handler.length >= 3;
  const style = name === 'main' && !isHttp ? 'cloudbase' : isHttp ? 'http' : 'event';
  loaded = { style, handler, event: !isHttp, http: isHttp || (either && style === 'event' && handler.length >= 3) };
  for (const name of ['initializer', 'preFreeze', 'preStop', 'afterRestore']) loaded[name] = await hookOf(source, name);
}

export function describe() {
  const { style, event, http, initializer, preFreeze, preStop, afterRestore } = loaded;
  return JSON.stringify({ style, event, http, initializer: Boolean(initializer), preFreeze: Boolean(preFreeze), preStop: Boolean(preStop), afterRestore: Boolean(afterRestore), warnings: [] });
}

// What can be told of sources that are not evaluated yet.
export function guess(source) {
  locate(source.directory, source.handler);
  const given = source.event || source.http;
  const has = (name) => Boolean(source[name]);
  return JSON.stringify({
    style: source.http && !source.event ? 'http' : 'event',
    event: given ? source.event : true,
    http: given ? source.http : source.httpTrigger,
    initializer: has('initializer'),
    preFreeze: has('preFreeze'),
    preStop: has('preStop'),
    afterRestore: has('afterRestore'),
    warnings: [],
  });
}
