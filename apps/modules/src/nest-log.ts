import type { LoggerService } from '@nestjs/common';
import type { Log } from '#runtime';

/** Has Nest write what goes wrong to our log. It tells of hooks that fail at the stop in no other way. */
export class NestLog implements LoggerService {
  failed = false;

  constructor(private readonly to: Log) {}

  log(): void {}

  warn(message: unknown): void {
    this.to.warn('the framework warns', { reason: String(message) });
  }

  error(error: unknown): void {
    this.failed = true;
    this.to.error('the framework has failed', { err: error });
  }

  fatal(error: unknown): void {
    this.error(error);
  }
}
