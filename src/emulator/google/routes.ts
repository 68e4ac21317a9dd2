import type { GoogleEndpoint } from '../faults.ts';
import { answerAwsMetadata } from './aws-metadata.ts';
import {
  answerAccountCertificates,
  answerAccountJwks,
  answerCertificates,
  answerDiscovery,
  answerJwks,
} from './certs.ts';
import { answerFunctionPermissions, answerFunctions } from './functions-admin.ts';
import { answerGithubOidc } from './github-oidc.ts';
import type { GoogleHandler } from './http.ts';
import { answerGenerateAccessToken, answerGenerateIdToken, answerSignJwt } from './iam-credentials.ts';
import { answerMetadata } from './metadata.ts';
import { answerProject } from './resource-manager.ts';
import { answerLocations, answerServicePermissions, answerServices } from './run-admin.ts';
import { answerTokenExchange } from './sts.ts';
import { answerTokenRequest } from './token.ts';
import { answerTokenInfo } from './token-info.ts';
import { answerUserInfo } from './user-info.ts';
import { answerWorkforceToken } from './workforce.ts';

/** What answers where. */
export interface GoogleRoute {
  readonly methods: readonly string[];
  readonly path: RegExp;
  readonly endpoint: GoogleEndpoint;
  readonly answer: GoogleHandler;
}

const [get, post] = [['GET'], ['POST']] as const;
const toAccountPath = (verb: string): RegExp =>
  new RegExp(`^/v1/projects/[^/]+/serviceAccounts/[^/]+:${verb}$`);

const toListPath = (version: string, rest: string): RegExp =>
  new RegExp(`^/${version}/projects/[^/]+/locations${rest}$`);

/** Every endpoint there is, of whichever host. */
export const ROUTES: readonly GoogleRoute[] = [
  // oauth2.googleapis.com
  { methods: post, path: /^\/token$/, endpoint: 'token', answer: answerTokenRequest },
  {
    methods: ['GET', 'POST'],
    path: /^\/(?:oauth2\/v[123]\/)?tokeninfo$/,
    endpoint: 'certs',
    answer: answerTokenInfo,
  },
  // sts.googleapis.com
  { methods: post, path: /^\/v1\/token$/, endpoint: 'sts', answer: answerTokenExchange },
  { methods: post, path: /^\/v1\/oauthtoken$/, endpoint: 'sts', answer: answerWorkforceToken },
  // iamcredentials.googleapis.com
  {
    methods: post,
    path: toAccountPath('generateIdToken'),
    endpoint: 'generateIdToken',
    answer: answerGenerateIdToken,
  },
  {
    methods: post,
    path: toAccountPath('generateAccessToken'),
    endpoint: 'generateAccessToken',
    answer: answerGenerateAccessToken,
  },
  { methods: post, path: toAccountPath('signJwt'), endpoint: 'signJwt', answer: answerSignJwt },
  // cloudresourcemanager.googleapis.com
  { methods: get, path: /^\/v1\/projects\/[^/:]+$/, endpoint: 'resourceManager', answer: answerProject },
  // run.googleapis.com and cloudfunctions.googleapis.com
  { methods: get, path: toListPath('v2', '/[^/]+/services'), endpoint: 'run', answer: answerServices },
  { methods: get, path: toListPath('v1', ''), endpoint: 'run', answer: answerLocations },
  {
    methods: post,
    path: toListPath('v2', '/[^/]+/services/[^/]+:testIamPermissions'),
    endpoint: 'run',
    answer: answerServicePermissions,
  },
  {
    methods: get,
    path: toListPath('v2', '/[^/]+/functions'),
    endpoint: 'functions',
    answer: answerFunctions,
  },
  {
    methods: post,
    path: toListPath('v[12]', '/[^/]+/functions/[^/]+:testIamPermissions'),
    endpoint: 'functions',
    answer: answerFunctionPermissions,
  },
  // www.googleapis.com and accounts.google.com
  { methods: get, path: /^\/oauth2\/v3\/certs$/, endpoint: 'certs', answer: answerJwks },
  { methods: get, path: /^\/oauth2\/v1\/certs$/, endpoint: 'certs', answer: answerCertificates },
  {
    methods: get,
    path: /^\/service_accounts\/v1\/jwk\/[^/]+$/,
    endpoint: 'certs',
    answer: answerAccountJwks,
  },
  {
    methods: get,
    path: /^\/robot\/v1\/metadata\/x509\/[^/]+$/,
    endpoint: 'certs',
    answer: answerAccountCertificates,
  },
  {
    methods: get,
    path: /^\/\.well-known\/openid-configuration$/,
    endpoint: 'certs',
    answer: answerDiscovery,
  },
  {
    methods: ['GET', 'POST'],
    path: /^\/oauth2\/v3\/userinfo$/,
    endpoint: 'userInfo',
    answer: answerUserInfo,
  },
  // The metadata servers of machines at Google and on AWS, and what a runner of GitHub's asks.
  { methods: get, path: /^\/(?:computeMetadata(?:\/.*)?)?$/, endpoint: 'metadata', answer: answerMetadata },
  { methods: ['GET', 'PUT'], path: /^\/latest\//, endpoint: 'awsMetadata', answer: answerAwsMetadata },
  { methods: get, path: /^\/github\/oidc\/token$/, endpoint: 'githubOidc', answer: answerGithubOidc },
];
