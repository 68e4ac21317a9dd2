/** Where the proxy's own pages are on listeners with a client secret. No route may be there. */
export const OWN_PATH = '/.gcp-bearer-proxy';

/** Where a sign-in code is taken, as `?code=…`. */
export const SIGN_IN_PATH = `${OWN_PATH}/sign-in`;
