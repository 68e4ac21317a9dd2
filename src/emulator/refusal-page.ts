/** A refusal by Google, before any application. */
export interface RefusalPage {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The very page Google's front end answers with. `path` is without a query. */
export function toRefusalPage(status: 401 | 403 | 404, path: string): RefusalPage {
  const code = `<code>${escapeHtml(path)}</code>`;
  switch (status) {
    case 401:
      return {
        status,
        headers: { ...HTML, 'WWW-Authenticate': CHALLENGE },
        body: toHtml(
          '401 Unauthorized',
          `Your client does not have permission to the requested URL ${code}.`,
        ),
      };
    case 403:
      return {
        status,
        headers: HTML,
        body: toHtml(
          '403 Forbidden',
          `Your client does not have permission to get URL ${code} from this server.`,
        ),
      };
    case 404:
      return {
        status,
        headers: HTML,
        body: toHtml('404 Page not found', 'The requested URL was not found on this server.'),
      };
  }
}

const HTML = { 'Content-Type': 'text/html; charset=UTF-8' };
const CHALLENGE = 'Bearer error="invalid_token" error_description="The access token could not be verified"';

function toHtml(title: string, sentence: string): string {
  return `<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>${title}</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: ${title.slice('NNN '.length)}</h1>
<h2>${sentence}</h2>
<h2></h2>
</body></html>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
