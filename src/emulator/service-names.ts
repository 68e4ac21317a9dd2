/** Names of the embedded private services. In a file without imports, so that a configuration can be checked cheaply. */
export type ServiceName = 'hello' | 'echo' | 'slow' | 'stream' | 'status';

/** Every embedded service, in the order they are shown. */
export const SERVICE_NAMES: readonly ServiceName[] = ['hello', 'echo', 'slow', 'stream', 'status'];

/** Whether a text names an embedded service. */
export function isServiceName(text: string): text is ServiceName {
  return SERVICE_NAMES.some((name) => name === text);
}
