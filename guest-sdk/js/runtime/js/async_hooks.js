// node:async_hooks, in place of the generated one: AsyncLocalStorage and AsyncResource. Hooks on the life of resources are
// never called: nothing here has one.
//
// The stores in force are one Map that nobody changes: the context. The engine carries it (`engine` in
// `builder/src/edits.rs`): what reacts to a promise, so all that stands behind an `await`, runs with the context in which it
// was registered, any other job with the one in which it was queued. Timers and ticks take it along by `bindContext`.
const { __asyncContext: engineContext, __exchangeAsyncContext: exchange } = Promise;
delete Promise.__asyncContext;
delete Promise.__exchangeAsyncContext;

// The engine begins with a number.
function current() {
  const context = engineContext();
  return typeof context === 'object' ? context : undefined;
}

function within(context, fn, thisArg, args) {
  const before = exchange(context);
  try {
    return Reflect.apply(fn, thisArg, args);
  } finally {
    exchange(before);
  }
}

// The context with another store of `storage`.
function changed(storage, store) {
  const context = new Map(current());
  if (store === undefined) context.delete(storage);
  else context.set(storage, store);
  return context;
}

function checked(fn) {
  if (typeof fn === 'function') return fn;
  const error = new TypeError(`The "fn" argument must be of type function. Received ${fn === null ? 'null' : typeof fn}`);
  error.code = 'ERR_INVALID_ARG_TYPE';
  throw error;
}

class AsyncLocalStorage {
  #default;
  #name;

  constructor(options = {}) {
    this.#default = options.defaultValue;
    this.#name = options.name ?? '';
  }

  get name() {
    return this.#name;
  }

  static bind(fn) {
    return bindContext(checked(fn));
  }

  static snapshot() {
    const context = current();
    return (fn, ...args) => within(context, fn, undefined, args);
  }

  getStore() {
    const context = current();
    return context?.has(this) ? context.get(this) : this.#default;
  }

  run(store, callback, ...args) {
    return within(changed(this, store), callback, undefined, args);
  }

  exit(callback, ...args) {
    return this.run(undefined, callback, ...args);
  }

  enterWith(store) {
    exchange(changed(this, store));
  }

  disable() {
    exchange(changed(this, undefined));
  }
}

let lastId = 1;
let executing = 1;

class AsyncResource {
  #type;
  #id = ++lastId;
  #trigger;
  #context = current();

  constructor(type, options) {
    this.#type = type;
    this.#trigger = (typeof options === 'number' ? options : options?.triggerAsyncId) ?? executing;
  }

  static bind(fn, type, thisArg) {
    return new AsyncResource(type ?? (checked(fn).name || 'bound-anonymous-fn')).bind(fn, thisArg);
  }

  get type() {
    return this.#type;
  }

  asyncId() {
    return this.#id;
  }

  triggerAsyncId() {
    return this.#trigger;
  }

  emitDestroy() {
    return this;
  }

  runInAsyncScope(fn, thisArg, ...args) {
    const before = executing;
    executing = this.#id;
    try {
      return within(this.#context, checked(fn), thisArg, args);
    } finally {
      executing = before;
    }
  }

  bind(fn, thisArg) {
    const resource = this;
    const bound = function (...args) {
      return resource.runInAsyncScope(fn, thisArg === undefined ? this : thisArg, ...args);
    };
    return Object.defineProperties(bound, {
      length: { value: checked(fn).length, configurable: true },
      asyncResource: { value: this, enumerable: true, configurable: true },
    });
  }
}

function createHook() {
  return {
    enable() {
      return this;
    },
    disable() {
      return this;
    },
  };
}

const executionAsyncId = () => executing;
const triggerAsyncId = () => 0;
const executionAsyncResource = () => ({});

// For the other modules of the runtime, under the names that generated ones use.
const _emitInit = () => ++lastId;
const _captureContext = current;
const _restoreContext = within;

function bindContext(fn) {
  const context = current();
  return function (...args) {
    return within(context, fn, this, args);
  };
}

export {
  AsyncLocalStorage,
  AsyncResource,
  createHook,
  executionAsyncId,
  triggerAsyncId,
  executionAsyncResource,
  _emitInit,
  _captureContext,
  _restoreContext,
  bindContext,
};

export default {
  AsyncLocalStorage,
  AsyncResource,
  createHook,
  executionAsyncId,
  triggerAsyncId,
  executionAsyncResource,
};
