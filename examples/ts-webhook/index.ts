// Verifies webhooks that are signed with HMAC-SHA256, as code forges and payment services send them.
import { createHmac, timingSafeEqual } from 'node:crypto';

interface Request {
  method: string;
  headers: Record<string, string>;
  body: Buffer;
}

interface Response {
  setStatusCode(code: number): void;
  setHeader(name: string, value: string): void;
  send(body: string): void;
}

interface Context {
  requestId: string;
  logger: { info(text: string): void; warn(text: string): void };
}

const SIGNATURE = 'x-hub-signature-256';

class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export function handler(request: Request, response: Response, context: Context): void {
  response.setHeader('content-type', 'application/json');
  try {
    const event = verified(request);
    context.logger.info(`took ${event.action}`);
    response.setStatusCode(202);
    response.send(JSON.stringify({ accepted: event.action }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    context.logger.warn(error.message);
    response.setStatusCode(error.status);
    response.send(JSON.stringify({ error: error.message }));
  }
}

function verified(request: Request): { action: string } {
  const secret = process.env.WEBHOOK_SECRET;
  if (!secret) throw new Error('WEBHOOK_SECRET is not set: give it in [functions.ts-webhook.environment]');
  const sent = Buffer.from(request.headers[SIGNATURE] ?? '');
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(request.body).digest('hex')}`);
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected)) {
    throw new Refused(401, `the header ${SIGNATURE} does not fit the body`);
  }
  return parsed(request.body);
}

function parsed(body: Buffer): { action: string } {
  let event: unknown;
  try {
    event = JSON.parse(body.toString());
  } catch {
    throw new Refused(400, 'the body is no JSON');
  }
  const action = (event as { action?: unknown } | null)?.action;
  if (typeof action !== 'string') throw new Refused(400, 'the event has no action');
  return { action };
}
