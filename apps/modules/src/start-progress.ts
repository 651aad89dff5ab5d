import { Injectable } from '@nestjs/common';

/** How far the start of the process is, in words for those who ask whether it is ready. */
@Injectable()
export class StartProgress {
  #awaited: string | null = null;

  waitFor(name: string): void {
    this.#awaited = name;
  }

  get detail(): string {
    return this.#awaited === null ? 'The process is starting.' : `The start waits for ${this.#awaited}.`;
  }
}
