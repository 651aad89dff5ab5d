export { Archiver, type ArchiverOptions } from './archiver.js';
export { ArchiveDamaged } from './manifest.js';
export { readArchive, verifyArchive, type ArchivedSection, type Verified } from './archive-reader.js';
