// What the types need of Node's own, which a project has from @types/node.
declare class Buffer extends Uint8Array {
  toString(encoding?: string): string;
}

declare module 'node:http' {
  export class IncomingMessage {
    headers: Record<string, string | string[] | undefined>;
    method?: string;
    url?: string;
  }
}

declare module 'node:stream' {
  export class Readable {}
}
