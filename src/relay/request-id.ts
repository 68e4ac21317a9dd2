let prefix = Math.floor(Math.random() * 36 ** 6)
  .toString(36)
  .padStart(6, '0');
let count = 0;

/** An id for one request, unique in this process and unlikely to repeat in another. */
export function nextRequestId(): string {
  count += 1;
  return `${prefix}-${count.toString(36)}`;
}

/** What the ids of this process begin with. */
export function requestIdPrefix(): string {
  return prefix;
}

/** Lets the ids of this process begin with something that another process knows to be nobody else's. */
export function setRequestIdPrefix(next: string): void {
  prefix = next;
}
