import { endOfString, endOfValue } from '#domain';

/**
 * The members of an object, each by its name with the text of its value, cut out as it stands. For JSON that was checked and
 * has no space between its tokens: other text gives nonsense.
 */
export const memberTexts = (object: string): Map<string, string> => {
  const members = new Map<string, string>();
  // At a name, or at the end of an object without one.
  for (let at = 1; at < object.length - 1;) {
    const nameEnd = endOfString(object, at);
    const name = object.slice(at + 1, nameEnd - 1);
    const end = endOfValue(object, nameEnd + 1);
    // A reason for the cast: a JSON string is a string.
    members.set(name.includes('\\') ? (JSON.parse(`"${name}"`) as string) : name, object.slice(nameEnd + 1, end));
    at = end + 1;
  }
  return members;
};
