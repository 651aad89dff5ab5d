import { Agent, request } from 'node:http';

import type { EventShape } from './shapes.js';

/** Follows the events of a run over SSE, from its first to its last; calls with each. Resolves at the end of the stream. */
export const followEvents = (
  url: string,
  event: (event: EventShape) => void,
  options: { readonly lastEventId?: string } = {},
): Promise<void> =>
  new Promise((resolve, reject) => {
    const resume = options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId };
    // A connection of its own: a stream would keep one of the pool for as long as the run goes on.
    const agent = new Agent({ keepAlive: false });
    const call = request(url, { agent, headers: { accept: 'text/event-stream', ...resume } }, (answer) => {
      if (answer.statusCode === 204) return resolve();
      if (answer.statusCode !== 200) return reject(new Error(`the events of ${url} answered ${answer.statusCode}`));
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        const messages = (text + chunk).split('\n\n');
        text = messages.pop() ?? '';
        for (const message of messages) {
          const data = message
            .split('\n')
            .flatMap((field) => (field.startsWith('data:') ? [field.slice(5).trimStart()] : []));
          if (data.length > 0) event(JSON.parse(data.join('\n')) as EventShape);
        }
      });
      answer.on('end', resolve);
      answer.on('error', reject);
      return undefined;
    });
    call.on('error', reject);
    call.end();
  });
