import { inferAudience, isOAuthClientId } from './audience.ts';
import { toMember } from './credentials/kind.ts';
import {
  type GoogleAddress,
  parseGoogleAddress,
  toInvokerCommand,
  toUpdateCommand,
} from './google-address.ts';
import type { Finding, RefusalAnswer, RefusalContext } from './refusal.ts';
import { ACT_AS_SERVICE_ACCOUNT, diagnoseToken, nameOf } from './token-refusal.ts';

/** The front end's own pages for Cloud Run and Cloud Functions. */
const SERVERLESS_PAGE =
  /<title>(?:401 Unauthorized|403 Forbidden|404 Page not found)<\/title>[\s\S]*<h1>Error: (?:Unauthorized|Forbidden|Page not found)<\/h1>\s*<h2>(?:Your client does not have permission |The requested URL was not found on this server)/;

/** The page with the robot, which every Google host has. */
const ROBOT_PAGE = /<title>Error 40[134] \([\w ]+\)!!1<\/title>/;

/** OAuth clients of gcloud: of people's ID tokens Cloud Run takes those for these. */
const GCLOUD_CLIENTS: readonly string[] = [
  '32555940559.apps.googleusercontent.com',
  '764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com',
];

/** Whether a page is one that Google's front end shows in place of a service. */
export function isFrontEndPage(bodyStart: string): boolean {
  return SERVERLESS_PAGE.test(bodyStart) || ROBOT_PAGE.test(bodyStart);
}

/** Why Google's front end kept a request from a service. https://cloud.google.com/run/docs/troubleshooting */
export function diagnoseFrontEnd(answer: RefusalAnswer, context: RefusalContext): Finding {
  const { upstreamOrigin: origin, request, otherAudience } = context;
  const { host } = new URL(origin);
  const audience = request?.kind === 'id' ? request.audience : undefined;
  // The name of a function isn't in its host name, but in its audience.
  const address = parseGoogleAddress(audience?.startsWith(`${origin}/`) ? audience : origin);
  if (answer.status === 404) return diagnoseNotFound(answer, host, address);
  if (request === undefined) {
    const hint = 'Take `token: none`, or the credentials of kind none, off the route.';
    return { cause: 'no-token', message: `${host} is private, and no token was sent.`, hint };
  }
  if (audience === undefined) {
    const sent = request.kind === 'access' ? 'an access token' : 'a self-signed JWT';
    return {
      cause: 'wrong-kind',
      message: `${host} takes ID tokens, and ${sent} was sent.`,
      hint: 'token: id',
    };
  }
  // To people without the role Google says 401 now and then.
  const isRole =
    answer.status === 403 || (otherAudience !== undefined && GCLOUD_CLIENTS.includes(otherAudience));
  if (isRole) return lackOfRole(context, host, address);
  if (otherAudience !== undefined && isOAuthClientId(otherAudience)) {
    return {
      cause: 'user-audience',
      message: `The ID token of ${nameOf(context)} is for the OAuth client ${otherAudience}, and of people's tokens ${host} takes only those that gcloud's own login gives.`,
      hint: ACT_AS_SERVICE_ACCOUNT,
    };
  }
  return diagnoseAudience(origin, otherAudience ?? audience, address) ?? diagnoseToken(context);
}

function lackOfRole(context: RefusalContext, host: string, address: GoogleAddress): Finding {
  const role = address.kind === 'function' ? 'the role to invoke it' : 'roles/run.invoker';
  return {
    cause: 'missing-role',
    message: `${nameOf(context)} may not call ${host}: ${role} is missing, or was granted only some minutes ago.`,
    hint: toInvokerCommand(address, toMember(context.identity)),
  };
}

/** What speaks against an audience; undefined when it is the one the service's address calls for. */
function diagnoseAudience(origin: string, actual: string, address: GoogleAddress): Finding | undefined {
  const { host } = new URL(origin);
  if (address.kind === 'other') {
    return {
      cause: 'custom-audience',
      message: `The token is for ${actual}, which is not an audience of the service behind ${host}.`,
      hint: toUpdateCommand(address, `--add-custom-audiences=${actual}`),
    };
  }
  const { audience } = inferAudience({ origin, basePath: '/' });
  const isFunction = address.kind === 'function';
  if (actual === audience || actual === `${audience}/`) return undefined;
  if (isFunction && actual.startsWith(`${audience}/`)) return undefined;
  const right = isFunction ? `${audience}/FUNCTION` : audience;
  return {
    cause: 'wrong-audience',
    message: `The token is for ${actual}, and ${host} takes tokens for ${right}.`,
    hint: `token: { kind: id, audience: ${right} }`,
  };
}

/** 404: Google says it in two ways. https://cloud.google.com/run/docs/securing/ingress */
function diagnoseNotFound({ bodyStart }: RefusalAnswer, host: string, address: GoogleAddress): Finding {
  if (address.kind === 'api')
    return { cause: 'not-a-service', message: `${host} has nothing at this path.`, hint: undefined };
  if (ROBOT_PAGE.test(bodyStart)) {
    return {
      cause: 'not-a-service',
      message: `Google knows no service at ${host}, or keeps this path for itself, as it does with /healthz.`,
      hint: 'gcloud run services list',
    };
  }
  const { kind, service = 'FUNCTION', region, project } = address;
  return {
    cause: 'ingress',
    message: `Google lets nobody in to ${host} from here: its ingress is internal (then call it from inside its VPC), its default URL is off, or there is no such service.`,
    hint:
      kind === 'function'
        ? `gcloud functions describe ${service} --region=${region} --project=${project}`
        : toUpdateCommand(address, '--ingress=all --default-url'),
  };
}
