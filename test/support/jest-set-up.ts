import { prepareRunServer } from './postgres.js';
import { prepareServersSeen } from './servers-seen.js';

/** Before the first spec file, in the process that starts the workers. */
export default function setUp(): void {
  prepareServersSeen();
  prepareRunServer();
}
