export type { TokenEvent } from './auth/token-events.ts';
export type { TokenRequest, TokenStatus } from './auth/token-source.ts';
export type { Config } from './config/config.ts';
export { type ConfigFlags, type ConfigInput, resolveConfig } from './config/resolve.ts';
export { createEmulator, type Emulator, type EmulatorOptions } from './emulator/emulator.ts';
export { ERROR_CODES, type ErrorCode, isProxyError, ProxyError } from './errors.ts';
export type { ExchangeRecord, Observer, ReloadEvent, UpstreamEvent } from './observe/events.ts';
export { createProxy, type ProxyOptions, type RouteSummary, type RunningProxy } from './proxy.ts';
export { createTracing, type Tracing, type TracingOptions } from './tracing.ts';
