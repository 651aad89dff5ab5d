export {
  SANDBOX_ERRORS,
  Sandbox,
  type SandboxLanguage,
  type SandboxLimits,
  type SandboxRequest,
  type SandboxResult,
} from './sandbox.js';
export { ChildPool, type ChildPoolOptions } from './child-pool.js';
