import type { UpstreamProtocol } from '../../src/config/config.ts';
import type { TestAuthority } from '../support/certificates.ts';
import { DOORS, type Door } from './doors.ts';
import { HTTP2_DOORS } from './http2-doors.ts';
import type { ScriptedUpstream } from './upstream.ts';
import type { UpstreamConduct } from './upstream-conduct.ts';

const ALL: Readonly<Record<string, Door>> = { ...DOORS, ...HTTP2_DOORS };
const COMPLETE = ['200 of nobody'];

/** Where a door is, and how it is asked. */
export interface DoorPlace {
  readonly name: string;
  readonly upstreamOrigin: string;
  readonly protocol: UpstreamProtocol;
}

/** The conducts of upstreams that have a door of their own. */
export const DOOR_CONDUCTS: readonly UpstreamConduct[] = Object.entries(ALL).map(
  ([name, { verdicts, headVerdicts, protocol }]) => ({
    name,
    door: name,
    script: () => [],
    verdicts,
    headVerdicts: headVerdicts ?? (verdicts.includes('200 of nobody broken') ? COMPLETE : verdicts),
    awaitsContent: false,
    // What breaks a connection of HTTP/2 breaks all that it carries.
    isSolo: protocol === 'http2' && !/(?:response|after its head): silent$|no settings|no streams/.test(name),
  }),
);

/** Opens all doors. @returns where each is, by name, and what is to be closed */
export async function openDoors(authority: TestAuthority): Promise<{
  readonly places: readonly DoorPlace[];
  readonly upstreams: readonly ScriptedUpstream[];
}> {
  const places: DoorPlace[] = [];
  const upstreams: ScriptedUpstream[] = [];
  for (const [name, door] of Object.entries(ALL)) {
    const { origin, upstream } = await door.open(authority);
    places.push({ name, upstreamOrigin: origin, protocol: door.protocol ?? 'http1' });
    upstreams.push(upstream);
  }
  return { places, upstreams };
}
