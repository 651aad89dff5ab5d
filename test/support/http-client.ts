import { Agent, request, type IncomingHttpHeaders } from 'node:http';

export type HttpAnswer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string };

export type HttpOptions = {
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** A string is sent as it is (JSON unless `content-type` is set), anything else as JSON. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
  /** Called in the very turn in which the head of the answer arrives. */
  readonly onHead?: (status: number) => void;
  readonly agent?: Agent;
};

const TIMEOUT_MS = 30_000;
const pooled = new Agent({ keepAlive: true, maxSockets: 512, timeout: 120_000 });

/** One HTTP exchange, never repeated by itself. Rejects when no whole answer came. */
export const httpCall = (method: string, url: string, options: HttpOptions = {}): Promise<HttpAnswer> =>
  new Promise((resolve, reject) => {
    const body =
      options.body === undefined || typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    const headers: Record<string, string | string[]> = { ...options.headers };
    if (body !== undefined) {
      headers['content-length'] = String(Buffer.byteLength(body));
      headers['content-type'] ??= 'application/json';
    }
    const call = request(url, { method, headers, agent: options.agent ?? pooled }, (answer) => {
      options.onHead?.(answer.statusCode ?? 0);
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      });
      answer.on('error', refuse);
    });
    const refuse = (fault: Error): void => {
      clearTimeout(timer);
      reject(fault);
    };
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const timer = setTimeout(
      () => call.destroy(new Error(`no answer from ${method} ${url} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    call.on('error', refuse);
    call.end(body);
  });

/** Closes the connections that are kept for later, so that a test ends by itself. */
export const closeConnections = (): void => pooled.destroy();
