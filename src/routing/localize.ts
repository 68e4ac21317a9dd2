import type { Homeward } from './homeward.ts';
import type { Visit } from './visit.ts';

/**
 * A response's field value with the URLs in it localized: `Location`, `Content-Location` (RFC 9110), `Refresh` (WHATWG HTML,
 * "shared declarative refresh steps") and `Link` (RFC 8288). Values of other fields, and what is malformed, come back
 * unchanged. Never throws.
 * @param name in lower case
 */
export function localizeField(homeward: Homeward, name: string, value: string, visit: Visit): string {
  const localize = (reference: string): string => homeward.localizeUrl(reference, visit);
  switch (name) {
    case 'location':
    case 'content-location':
      return localize(value);
    case 'refresh':
      return localizeRefresh(value, localize);
    case 'link':
      return localizeLinks(value, localize);
    default:
      return value;
  }
}

/** All that stands before the URL: `5; url=`, `0;URL =`, `5,`. */
const REFRESH_START = /^[\t ]*[\d.]+(?=[;,\t ])[\t ]*[;,]?[\t ]*(?:url[\t ]*=[\t ]*)?/i;

function localizeRefresh(value: string, localize: (reference: string) => string): string {
  const [start] = REFRESH_START.exec(value) ?? [];
  if (start === undefined || start.length === value.length) return value;
  const rest = value.slice(start.length);
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return start + localize(rest);
  const end = rest.indexOf(quote, 1);
  const url = localize(end === -1 ? rest.slice(1) : rest.slice(1, end));
  // The path of the page itself may hold an apostrophe, which would end the URL here.
  const inside = url.replaceAll(quote, quote === '"' ? '%22' : '%27');
  return start + quote + inside + (end === -1 ? '' : rest.slice(end));
}

/** Most links of one value that are looked at, so that an upstream can't keep the process busy with one head. */
const MAX_LINKS = 256;

/** Maps the target of each link; parameters, `anchor` among them, stay as they are. */
function localizeLinks(value: string, localize: (reference: string) => string): string {
  let localized = '';
  let position = 0;
  for (let count = 0; count < MAX_LINKS && position < value.length; count += 1) {
    const link = position;
    while (position < value.length && ', \t'.includes(value.charAt(position))) position += 1;
    if (value[position] === '<') {
      const end = value.indexOf('>', position);
      if (end === -1) return localized + value.slice(link);
      const target = value.slice(position + 1, end);
      const bare = target.trim();
      const local = localize(bare);
      localized += value.slice(link, position + 1) + (local === bare ? target : local);
      position = end;
    } else {
      localized += value.slice(link, position);
    }
    const next = findLinkEnd(value, position);
    localized += value.slice(position, next);
    position = next;
  }
  return localized + value.slice(position);
}

/** The comma that ends a link, outside of quotes; the value's end if there is none. */
function findLinkEnd(value: string, from: number): number {
  let isQuoted = false;
  for (let position = from; position < value.length; position += 1) {
    const character = value[position];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === '\\' && isQuoted) position += 1;
    else if (character === ',' && !isQuoted) return position;
  }
  return value.length;
}
