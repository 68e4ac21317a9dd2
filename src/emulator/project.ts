import type { ServicePolicy } from './service-policy.ts';

/** What there is in the emulated project: what Cloud Run and Cloud Functions list. */
export interface ProjectContent {
  readonly services: readonly ListedService[];
  readonly functions: readonly ListedFunction[];
  /** APIs that nobody enabled, by host name without the domain. */
  readonly disabledApis: readonly string[];
  /** Whether the project has a billing account. */
  readonly hasBilling: boolean;
  /** Where both products are. */
  readonly regions: readonly string[];
  /** Those that don't answer. */
  readonly unreachable: readonly string[];
  /** Whether Cloud Run lists all regions at once: it does, and its reference says that it doesn't. */
  readonly takesWildcard: boolean;
  /** A page is no longer, whatever was asked for. */
  readonly longestPage: number;
}

/** A service of Cloud Run. */
export interface ListedService {
  readonly name: string;
  readonly region: string;
  /** None while it hasn't been deployed. */
  readonly uri?: string | undefined;
  /** Who has `roles/run.invoker`. */
  readonly invokers: ServicePolicy['invokers'];
  /** More of its JSON, in place of the usual. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A function; its service stands among the services where it is of generation 2. */
export interface ListedFunction {
  readonly name: string;
  readonly region: string;
  readonly generation: 1 | 2;
  /** The service that one of generation 2 is. */
  readonly service?: string;
  /** Who has `roles/cloudfunctions.invoker`, which counts for generation 1. */
  readonly invokers?: ServicePolicy['invokers'];
  /** More of its JSON, in place of the usual. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** The emulated project, to be turned while the emulator runs. */
export interface EmulatedProject {
  readonly id: string;
  readonly number: string;
  /** Sets it up otherwise, from the next request on; what isn't named stays. */
  set(content: Partial<ProjectContent>): void;
}

/** The content as the endpoints see it. */
export interface ProjectState {
  content(): ProjectContent;
  set(content: Partial<ProjectContent>): void;
}

const REGIONS = ['asia-northeast1', 'europe-west1', 'us-central1'] as const;

export function createProjectState(): ProjectState {
  let content: ProjectContent = {
    services: [],
    functions: [],
    disabledApis: [],
    hasBilling: true,
    regions: REGIONS,
    unreachable: [],
    takesWildcard: true,
    longestPage: 1_000,
  };
  return {
    content: () => content,
    set(change) {
      content = { ...content, ...change };
    },
  };
}

/** A service that runs here. */
export interface ServiceHere {
  readonly name: string;
  readonly origin: string;
  policy(): ServicePolicy;
}

/**
 * What the project has at the start: the services that run here, the last of them a function, and some that nobody here may or
 * can call.
 */
export function toUsualContent(running: readonly ServiceHere[]): Partial<ProjectContent> {
  const region = 'europe-west1';
  const services = running.map((service) => toListed(service, region));
  const last = running.at(-1)?.name;
  return {
    services: [
      ...services,
      { name: 'payroll', region, uri: 'https://payroll-abcdefghij-ew.a.run.app', invokers: [] },
      {
        name: 'ledger',
        region: 'us-central1',
        uri: 'https://ledger-abcdefghij-uc.a.run.app',
        invokers: 'everybody',
        fields: { ingress: 'INGRESS_TRAFFIC_INTERNAL_ONLY' },
      },
    ],
    functions: [
      ...(last === undefined ? [] : [{ name: last, region, generation: 2, service: last } as const]),
      {
        name: 'on-upload',
        region: 'us-central1',
        generation: 1,
        invokers: [],
        fields: {
          url: undefined,
          eventTrigger: { eventType: 'google.storage.object.finalize', triggerRegion: 'us' },
        },
      },
    ],
  };
}

/** As its policy says at the time it is asked. */
function toListed({ name, origin, policy }: ServiceHere, region: string): ListedService {
  return {
    name,
    region,
    uri: origin,
    get invokers() {
      return policy().invokers;
    },
    get fields() {
      const { ingress, iap, enabled } = policy();
      return {
        ingress: ingress === 'all' ? 'INGRESS_TRAFFIC_ALL' : 'INGRESS_TRAFFIC_INTERNAL_ONLY',
        ...(iap !== undefined && { iapEnabled: true }),
        ...(!enabled && { defaultUriDisabled: true }),
      };
    },
  };
}
