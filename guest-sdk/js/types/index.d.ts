/** Types of what wisp hands to JavaScript and TypeScript functions, as in Function Compute. */

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';

export interface Credentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
}

export interface FunctionInfo {
  readonly name: string;
  /** The configured handler, such as `index.handler`. */
  readonly handler: string;
  /** In MB. */
  readonly memory: number;
  /** In seconds. */
  readonly timeout: number;
  /** `null` if there is none. */
  readonly initializer: string | null;
  /** In seconds. */
  readonly initializationTimeout: number;
}

export interface ServiceInfo {
  readonly name: string;
  readonly logProject: string;
  readonly logStore: string;
  /** `LATEST`, a version or an alias. */
  readonly qualifier: string;
  /** Empty for `LATEST`. */
  readonly versionId: string;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Writes lines of the form `time request-id [level] text`. */
export interface Logger {
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  log(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  /** Lines below this level are not written. */
  setLogLevel(level: LogLevel): void;
}

export interface Tracing {
  /** The caller's W3C `traceparent`; empty if it sent none. */
  readonly openTracingSpanContext: string;
  readonly jaegerEndpoint: string;
  readonly openTracingSpanBaggages: Record<string, string>;
}

export interface Context {
  readonly requestId: string;
  readonly credentials: Credentials;
  readonly function: FunctionInfo;
  readonly service: ServiceInfo;
  readonly region: string;
  readonly accountId: string;
  readonly logger: Logger;
  /** How often this event was tried before. */
  readonly retryCount: number;
  readonly tracing: Tracing;
}

/** What a function may return: bytes and texts as they are, `null` and `undefined` as nothing, all else as JSON. */
export type Result = Uint8Array | ArrayBuffer | string | number | boolean | null | undefined | void | object;

/** An error makes the invocation fail as handled; otherwise the result is the answer. The first call counts. */
export type Callback = (error?: unknown, result?: Result) => void;

/** Calls back, returns a promise, or returns. With three parameters it is waited for until it does one of the first two. */
export type EventHandler = (event: Buffer, context: Context, callback: Callback) => Result | Promise<Result>;

export interface HttpRequest extends IncomingMessage {
  readonly method: string;
  /** Inside the function, decoded. */
  readonly path: string;
  /** The target as it was sent, with the prefix of the default address and the query. */
  readonly url: string;
  /** A list if the parameter is repeated. */
  readonly queries: Record<string, string | string[]>;
  readonly clientIP: string;
  body: Buffer;
}

export interface HttpResponse {
  /** 200 unless set. Throws a `TypeError` if it is no integer. */
  setStatusCode(code: number): void;
  /** `connection`, `content-length`, `date`, `keep-alive`, `server`, `upgrade` and `x-fc-*` are ignored. */
  setHeader(name: string, value: string | number | string[]): void;
  deleteHeader(name: string): void;
  hasHeader(name: string): boolean;
  getHeader(name: string): string | number | string[] | undefined;
  /** Ends the invocation. Throws if the response was sent already. */
  send(body?: string | Uint8Array | Readable): void;
}

export type HttpHandler = (request: HttpRequest, response: HttpResponse, context: Context) => unknown;

/** An initializer, or another hook: calls back or returns a promise. */
export type Hook = (context: Context, callback: (error?: unknown) => void) => unknown;

/** The request as CloudBase functions get it. */
export interface CloudBaseEvent {
  readonly path?: string;
  readonly httpMethod?: string;
  readonly headers?: Record<string, string>;
  readonly multiValueHeaders?: Record<string, string[]>;
  readonly queryStringParameters?: Record<string, string>;
  readonly requestContext?: { readonly requestId: string; readonly envId: string; readonly appId: number; readonly uin: number };
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
  readonly [key: string]: unknown;
}

export interface CloudBaseContext {
  readonly callbackWaitsForEmptyEventLoop: boolean;
  readonly memory_limit_in_mb: number;
  readonly time_limit_in_ms: number;
  readonly request_id: string;
  /** `name=value`, separated by `;`. */
  readonly environ: string;
  /** The environment variables as JSON. */
  readonly environment: string;
  readonly function_version: string;
  readonly function_name: string;
  readonly namespace: string;
  readonly tencentcloud_region: string;
  readonly tencentcloud_appid: string;
  readonly tencentcloud_uin: string;
}

/** `exports.main` of a CloudBase function. */
export type CloudBaseMain = (event: CloudBaseEvent, context: CloudBaseContext) => unknown;
