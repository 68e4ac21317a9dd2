/** A value of a client's, fit for a message: everything but plain visible ASCII replaced, and cut to a length. */
export function printable(value: string): string {
  return value.slice(0, 200).replace(/[^\x21-\x7e]|["\\<>]/g, '?');
}
