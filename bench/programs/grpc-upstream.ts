/** The gRPC service of `grpc-service.ts`, without TLS. */
import { once } from 'node:events';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { service, toMessage } from './grpc-service.ts';
import { fail, report } from './task.ts';

async function count(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
  const messages = call.request.readUInt32BE();
  for (let number = 0; number < messages && !call.cancelled; number += 1) {
    if (!call.write(toMessage(number))) await once(call, 'drain');
  }
  call.end();
}

const Say: handleUnaryCall<Buffer, Buffer> = (call, answer) => answer(null, call.request);
const Count: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  count(call).catch((error) => fail(`upstream: ${error.message}`));
};

const server = new Server();
server.addService(service, { Say, Count });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) fail(`upstream: ${error.message}`);
  report({ url: `http://127.0.0.1:${port}` });
});
