export {
  PARKED_LIST_MAX,
  ViewStore,
  ViewsTooNew,
  ViewsUnavailable,
  type Applied,
  type Batch,
  type ParkedStream,
  type RunListItem,
  type RunListPage,
  type RunListQuery,
} from './view-store.js';
export { Projector, type Lag, type ProjectorOptions } from './projector.js';
