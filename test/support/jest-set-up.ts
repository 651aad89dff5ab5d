import { prepareRunServer } from './postgres.js';

/** Before the first spec file, in the process that starts the workers. */
export default function setUp(): void {
  prepareRunServer();
}
