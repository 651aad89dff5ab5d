/** The client of the adapter, for tests that speak to a broker beside it: the driver's own asks for nothing by the millisecond. */
export { KAFKA_TIMEOUTS, kafkaClient } from '../src/kafka/kafka-client.js';
