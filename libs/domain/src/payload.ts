/**
 * A payload as normalised JSON text: what `JSON.stringify(JSON.parse(text))` leaves unchanged. The domain passes it on
 * and never looks inside, so that a payload is parsed once, where it enters, and the bytes sent are the same after a restart.
 */
export type JsonText = string & { readonly __brand: 'JsonText' };

export const NULL_TEXT = 'null' as JsonText;

/** Where in its run's stream a payload is stored: the event, and the JSON pointer inside its data. */
export type PayloadRef = { readonly revision: number; readonly pointer: '/input' | '/output' };
