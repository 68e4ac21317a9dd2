import { ProxyError } from '../errors.ts';
import type { Finds } from './found.ts';
import type { GoogleApi } from './google-api.ts';
import { type JsonObject, readObjects, readText, readTexts } from './json.ts';
import { ApiRefusal } from './refusal.ts';
import { doSideBySide } from './side-by-side.ts';

/** How many requests are under way at once, at most. */
export const MOST_AT_ONCE = 8;

/** A list that goes on for longer goes round. */
const MOST_PAGES = 10_000;
const PAGE_SIZE = '100';

export interface Listing {
  readonly api: GoogleApi;
  readonly project: string;
  /** What is listed, and how the answer calls it. */
  readonly collection: 'services' | 'functions';
  /** Only these; all there are if empty. */
  readonly regions: readonly string[];
}

/**
 * Everything of a kind, in the given regions or in all of them. Where the API doesn't list all regions at once, which Cloud Run
 * does although its reference says it doesn't, each is asked for itself.
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/list
 * @throws ApiRefusal, ProxyError as the API; a region that fails alone is among `unreachable`
 */
export async function listEverywhere(listing: Listing): Promise<Finds<JsonObject>> {
  if (listing.regions.length > 0) return listRegions(listing, listing.regions);
  try {
    return await listRegion(listing, '-');
  } catch (error) {
    const refusesWildcard = error instanceof ApiRefusal && error.status === 400;
    if (!refusesWildcard || listing.collection !== 'services') throw error;
    const { absent: _forbidden, ...finds } = await listRegions(listing, await findRegions(listing));
    return { ...finds, absent: [] };
  }
}

async function listRegions(listing: Listing, regions: readonly string[]): Promise<Finds<JsonObject>> {
  const only = regions.length === 1;
  const parts = await doSideBySide(regions, MOST_AT_ONCE, async (region): Promise<Finds<JsonObject>> => {
    try {
      return await listRegion(listing, region);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.lacksRegion) return { items: [], unreachable: [], absent: [region] };
      if (!error.isTemporary || only) throw error;
      return { items: [], unreachable: [region], absent: [] };
    }
  });
  return {
    items: parts.flatMap(({ items }) => items),
    unreachable: parts.flatMap(({ unreachable }) => unreachable),
    absent: parts.flatMap(({ absent }) => absent),
  };
}

async function listRegion({ api, project, collection }: Listing, region: string): Promise<Finds<JsonObject>> {
  const path = `/v2/projects/${project}/locations/${region}/${collection}`;
  const pages = await readPages(api, path);
  const unreachable = pages.flatMap((page) => readTexts(page, 'unreachable').map(toRegion));
  return { items: pages.flatMap((page) => readObjects(page, collection)), unreachable, absent: [] };
}

/** Where Cloud Run is for this project. https://cloud.google.com/run/docs/reference/rest/v1/projects.locations/list */
async function findRegions({ api, project }: Listing): Promise<readonly string[]> {
  const pages = await readPages(api, `/v1/projects/${project}/locations`);
  return pages.flatMap((page) =>
    readObjects(page, 'locations').flatMap((location) => readText(location, 'locationId') ?? []),
  );
}

async function readPages(api: GoogleApi, path: string): Promise<readonly JsonObject[]> {
  const pages: JsonObject[] = [];
  let pageToken: string | undefined;
  do {
    if (pages.length === MOST_PAGES)
      throw new ProxyError('bad_upstream_response', `The list of ${api.host} has no end.`);
    const page = await api.get(path, { pageSize: PAGE_SIZE, ...(pageToken !== undefined && { pageToken }) });
    pages.push(page);
    pageToken = readText(page, 'nextPageToken');
  } while (pageToken !== undefined);
  return pages;
}

/** `projects/P/locations/R` or `R`. */
function toRegion(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
