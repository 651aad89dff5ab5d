/** Whether a client that sends this `If-None-Match` has what bears the tag. Tags are compared weakly (RFC 9110, 13.1.2). */
export const isNotModified = (header: string | undefined, etag: string): boolean => {
  if (header === undefined) return false;
  return header.split(',').some((given) => {
    const tag = given.trim();
    return tag === '*' || tag.replace(/^W\//, '') === etag.replace(/^W\//, '');
  });
};
