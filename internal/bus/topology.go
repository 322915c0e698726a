package bus

import (
	"time"

	"github.com/tranship/tranship/pkg/events"
)

// Names of the streams, buckets and durable consumers that all services share.
const (
	StreamSaga = "SAGA" // the journal
	StreamWork = "WORK" // commands, timers, triggers, deliveries and the schedules that emit them

	BucketCheckpoint = "CHECKPOINT" // progress of tasks
	BucketSeen       = "SEEN"       // inbound deliveries and idempotency keys
	BucketResources  = "RESOURCES"  // resources when no Kubernetes holds them

	ConsumerReactor = "reactor" // of StreamSaga; the rest are of StreamWork
	ConsumerTimer   = "timer"
	ConsumerTrigger = "trigger"
	ConsumerDeliver = "deliver"
)

// A command that is neither acknowledged nor kept alive for AckWait goes to another worker; a subscriber keeps those it
// works on alive every Heartbeat.
const (
	AckWait   = 15 * time.Second
	Heartbeat = 4 * time.Second
)

// WorkConsumer names the durable consumer of the workers of a stage near a cluster.
func WorkConsumer(stage events.Stage, cluster string) string { return string(stage) + "_" + cluster }

// WorkFilter matches the commands to the workers of a stage near a cluster.
func WorkFilter(stage events.Stage, cluster string) string {
	return "work." + string(stage) + "." + cluster + ".>"
}

// Metadata of a received message. The payload is the bytes on the wire: CloudEvents in structured JSON.
const (
	MetaSubject     = "subject"
	MetaSequence    = "sequence"  // of the stream, decimal
	MetaDelivered   = "delivered" // how many times, from 1, decimal
	MetaTraceParent = "traceparent"
	MetaContentType = "content-type"
	// MetaTerminate is for a handler to set before it returns nil: the message is poison and is removed with this reason.
	MetaTerminate = "terminate"
)
