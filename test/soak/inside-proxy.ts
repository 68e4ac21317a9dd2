/** Loaded into the proxy's process before the program: makes its time go by fast, and says what it holds. */
import { systemClock } from '../../src/clock.ts';
import { takeOrders } from '../support/orders.ts';
import { type Measure, watchProcess } from '../support/process-measure.ts';
import { createFastClock, setDate } from './fast-clock.ts';

const clock = createFastClock();
Object.assign(systemClock, clock);
setDate(clock);

const orders = { measure: watchProcess() satisfies () => Measure };
takeOrders(orders);
// The proxy is to end as if there were no such channel.
process.channel?.unref();

export type ProxyOrders = typeof orders;
