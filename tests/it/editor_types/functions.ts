import type { CloudBaseMain, EventHandler, Hook, HttpHandler } from '@wisp-functions/types';

export const handler: EventHandler = async (event, context) => {
  context.logger.info(event.toString(), context.function.memory + 1, context.credentials.accessKeyId);
  // @ts-expect-error It is a number.
  const name: string = context.function.memory;
  // @ts-expect-error It is for reading.
  context.requestId = name;
  return { name, retried: context.retryCount, traced: context.tracing.openTracingSpanContext };
};

export const callsBack: EventHandler = (event, context, callback) => {
  callback(null, JSON.parse(event.toString()));
};

export const httpHandler: HttpHandler = (request, response, context) => {
  const color: string | string[] | undefined = request.queries.color;
  response.setStatusCode(200);
  // @ts-expect-error It takes a number.
  response.setStatusCode('200');
  response.setHeader('set-cookie', ['a=1', 'b=2']);
  if (!response.hasHeader('etag')) response.deleteHeader('etag');
  response.send(request.body.length > 0 ? request.body : `${color} ${request.clientIP} ${context.requestId}`);
};

export const initialize: Hook = (context, callback) => callback(context.region === '' ? new Error('no region') : null);

export const main: CloudBaseMain = async (event, context) => ({ statusCode: 200, body: event.path ?? context.request_id });
