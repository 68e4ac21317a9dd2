/** undici publishes the file but no types for it alone; they are those of the index. */
declare module 'undici/lib/dispatcher/client.js' {
  import { Client } from 'undici';
  export default Client;
}
