// Package jetstream carries the bus on NATS JetStream: a Watermill Publisher and Subscriber, the scheduler's Commands, the
// streams and consumers that all of them need, and the buckets of resources and of seen deliveries.
package jetstream
