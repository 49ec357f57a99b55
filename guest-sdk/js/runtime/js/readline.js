// Lines of a stream, as `node:readline` gives them. There is no terminal: what moves its cursor does nothing.
import { EventEmitter } from 'node:events';
import { StringDecoder } from 'node:string_decoder';

const END_OF_LINE = /\r\n|\n|\r/;

export class Interface extends EventEmitter {
  terminal = false;
  line = '';
  closed = false;
  #prompt = '> ';
  #decoder = new StringDecoder('utf8');
  #rest = '';
  #asked = [];
  #stop;

  constructor(input, output) {
    super();
    const options = typeof input?.on === 'function' ? { input, output } : input;
    if (typeof options?.input?.on !== 'function') {
      throw Object.assign(new TypeError('The "options.input" property must be an instance of stream.Readable.'), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    this.input = options.input;
    this.output = options.output;
    if (options.prompt !== undefined) this.#prompt = String(options.prompt);
    const take = (chunk) => this.#take(typeof chunk === 'string' ? chunk : this.#decoder.write(chunk));
    const end = () => this.#end();
    const fail = (error) => this.emit('error', error);
    this.input.on('data', take).on('end', end).on('error', fail);
    this.#stop = () => this.input.off('data', take).off('end', end).off('error', fail);
    if (options.signal?.aborted) this.close();
    else options.signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  // A return at the end of a chunk may be the first half of an end of line.
  #take(text) {
    const whole = this.#rest + text;
    const held = whole.endsWith('\r') ? '\r' : '';
    const lines = (held === '' ? whole : whole.slice(0, -1)).split(END_OF_LINE);
    this.#rest = lines.pop() + held;
    for (const line of lines) this.#give(line);
  }

  #give(line) {
    if (this.closed) return;
    const answer = this.#asked.shift();
    if (answer !== undefined) answer(line);
    else this.emit('line', line);
  }

  #end() {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#give(rest.endsWith('\r') ? rest.slice(0, -1) : rest);
    this.close();
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    this.#stop();
    this.input.pause?.();
    this.emit('close');
  }

  pause() {
    this.input.pause();
    this.emit('pause');
    return this;
  }

  resume() {
    this.input.resume();
    this.emit('resume');
    return this;
  }

  setPrompt(prompt) {
    this.#prompt = String(prompt);
  }

  getPrompt() {
    return this.#prompt;
  }

  prompt() {
    this.output?.write(this.#prompt);
  }

  write() {}

  question(query, options, callback = options) {
    this.output?.write(query);
    this.#asked.push(callback);
  }

  // Lines that come before somebody asks for them wait; the stream is stopped while many do.
  async *[Symbol.asyncIterator]() {
    const lines = [];
    let wake = () => {};
    let failure;
    const onLine = (line) => {
      lines.push(line);
      if (lines.length === 1024) this.input.pause();
      wake();
    };
    const onError = (error) => {
      failure = { error };
      wake();
    };
    const onClose = () => wake();
    this.on('line', onLine).on('error', onError).on('close', onClose);
    try {
      for (;;) {
        if (lines.length > 0) {
          yield* lines.splice(0);
          if (!this.closed) this.input.resume();
        } else if (failure !== undefined) throw failure.error;
        else if (this.closed) return;
        else await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      this.off('line', onLine).off('error', onError).off('close', onClose);
      this.close();
    }
  }
}

export function createInterface(input, output) {
  return new Interface(input, output);
}

const done = (callback) => {
  if (typeof callback === 'function') queueMicrotask(callback);
  return true;
};

export const clearLine = (stream, direction, callback) => done(callback);
export const clearScreenDown = (stream, callback) => done(callback);
export const cursorTo = (stream, x, y, callback) => done(typeof y === 'function' ? y : callback);
export const moveCursor = (stream, dx, dy, callback) => done(callback);
export function emitKeypressEvents() {}

class Asking extends Interface {
  question(query) {
    return new Promise((resolve) => super.question(query, resolve));
  }
}

// `node:readline/promises`.
export const promises = { Interface: Asking, createInterface: (input, output) => new Asking(input, output) };

export default { createInterface, Interface, clearLine, clearScreenDown, cursorTo, moveCursor, emitKeypressEvents, promises };
