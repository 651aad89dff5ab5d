import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pause } from './pause.js';

/**
 * An application that counts the requests in flight, as it sees them: from a request's arrival until its answer, and when
 * its caller is gone, until the work is done all the same. So a caller that was killed frees nothing here by dying.
 */
export class CountingApplication {
  /** The most that were in flight at a time. */
  peak = 0;
  /** How many have come, ever. */
  began = 0;
  private inFlight = 0;
  private slotMs = 0;
  private sinceMs = performance.now();
  private readonly server: Server;

  /** `answerMs`: how long the work of each request takes, by its number. */
  constructor(answerMs: (request: number) => number) {
    this.server = createServer((request, response) => {
      this.move(1);
      const tookMs = answerMs(this.began++);
      // Unless it is gone before, the caller hears of a free slot no sooner than the count does.
      let gone = false;
      response.on('close', () => {
        if (response.writableEnded) this.move(-1);
        else gone = true;
      });
      setTimeout(() => {
        if (gone) this.move(-1);
        else response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      }, tookMs);
      request.resume();
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    // A server that listens on a port has an address of this shape.
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** How many were in flight on average over the next while. */
  async averageOver(ms: number): Promise<number> {
    this.move(0);
    this.slotMs = 0;
    const fromMs = performance.now();
    await pause(ms);
    this.move(0);
    return this.slotMs / (performance.now() - fromMs);
  }

  private move(by: number): void {
    const nowMs = performance.now();
    this.slotMs += this.inFlight * (nowMs - this.sinceMs);
    this.sinceMs = nowMs;
    this.inFlight += by;
    this.peak = Math.max(this.peak, this.inFlight);
  }
}
