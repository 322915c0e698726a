package jetstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Topology is what the streams depend on besides this version of the program.
type Topology struct {
	Clusters []string // whose workers get consumers; empty: events.LocalCluster. Consumers of other clusters stay
	Replicas int      // of streams; 0: 1
}

const (
	duplicates      = 10 * time.Minute
	resourceHistory = 10
	maxMessage      = events.MaxSize + 8<<10 // the largest event, with its headers
	markerTTL       = time.Hour              // of the trace that an expired key leaves
	maxWaiting      = 4096                   // pull requests that wait at once at one consumer: slots times workers
)

// maxAckPending bounds the messages in work per stage. It is above the sum of the windows of tasks that the scheduler
// admits, so that it never holds back one tenant for another.
var maxAckPending = map[events.Stage]int{
	events.StageCapture:  4096,
	events.StageMask:     4096,
	events.StageScan:     1024,
	events.StageTransfer: 4096,
	events.StageRestore:  4096,
	events.StageVerify:   4096,
}

const maxAckPendingScheduler = 1024

// Ensure creates the streams, buckets and durable consumers that are missing and brings the others to this version's
// configuration; what an operator set beyond it (limits, placement) stays. It may run at any time and on several replicas
// at once. A stream that cannot be brought there is an error of code nats.stream.
func Ensure(ctx context.Context, js natsjs.JetStream, t Topology) error {
	if len(t.Clusters) == 0 {
		t.Clusters = []string{events.LocalCluster}
	}
	t.Replicas = max(t.Replicas, 1)
	for _, want := range streams(t) {
		if err := ensureStream(ctx, js, want); err != nil {
			return err
		}
	}
	for _, c := range consumers(t) {
		if err := ensureConsumer(ctx, js, c.stream, c.config); err != nil {
			return err
		}
	}
	return nil
}

func streams(t Topology) []natsjs.StreamConfig {
	bucket := func(name string, history int64, describe string) natsjs.StreamConfig {
		return natsjs.StreamConfig{
			Name: "KV_" + name, Description: describe, Subjects: []string{"$KV." + name + ".>"}, MaxMsgsPerSubject: history,
			Discard: natsjs.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true, Replicas: t.Replicas,
		}
	}
	seen := bucket(bus.BucketSeen, 1, "inbound deliveries and idempotency keys")
	seen.AllowMsgTTL, seen.SubjectDeleteMarkerTTL = true, markerTTL
	return []natsjs.StreamConfig{
		{
			Name: bus.StreamSaga, Description: "journal of all runs", Subjects: []string{"saga.>"},
			Retention: natsjs.LimitsPolicy, AllowDirect: true, DenyDelete: true, AllowMsgTTL: true,
			MaxMsgSize: maxMessage, Replicas: t.Replicas,
		},
		{
			Name: bus.StreamWork, Description: "commands, timers and the schedules that emit them", Subjects: []string{"work.>", "at.>"},
			Retention: natsjs.WorkQueuePolicy, AllowMsgSchedules: true, AllowMsgTTL: true, AllowRollup: true,
			Discard: natsjs.DiscardOld, Duplicates: duplicates, MaxMsgSize: maxMessage, Replicas: t.Replicas,
		},
		bucket(bus.BucketCheckpoint, 1, "progress of tasks"),
		seen,
		bucket(bus.BucketResources, resourceHistory, "resources where no Kubernetes holds them"),
	}
}

type consumer struct {
	stream string
	config natsjs.ConsumerConfig
}

func consumers(t Topology) []consumer {
	durable := func(stream, name, filter string, pending int) consumer {
		return consumer{stream, natsjs.ConsumerConfig{
			Durable: name, FilterSubject: filter, AckPolicy: natsjs.AckExplicitPolicy, AckWait: bus.AckWait,
			MaxDeliver: -1, MaxAckPending: pending, MaxWaiting: maxWaiting,
		}}
	}
	out := []consumer{
		durable(bus.StreamSaga, bus.ConsumerReactor, "saga.>", maxAckPendingScheduler),
		durable(bus.StreamWork, bus.ConsumerTimer, "work.timer.>", maxAckPendingScheduler),
		durable(bus.StreamWork, bus.ConsumerTrigger, "work.trigger.>", maxAckPendingScheduler),
		durable(bus.StreamWork, bus.ConsumerDeliver, "work.deliver.>", maxAckPendingScheduler),
	}
	for _, cluster := range t.Clusters {
		for _, stage := range events.Stages() {
			out = append(out, durable(bus.StreamWork, bus.WorkConsumer(stage, cluster), bus.WorkFilter(stage, cluster), maxAckPending[stage]))
		}
	}
	return out
}

func ensureStream(ctx context.Context, js natsjs.JetStream, want natsjs.StreamConfig) error {
	existing, err := js.Stream(ctx, want.Name)
	if errors.Is(err, natsjs.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, want)
		if !errors.Is(err, natsjs.ErrStreamNameAlreadyInUse) {
			return refused("create stream "+want.Name, err)
		}
		existing, err = js.Stream(ctx, want.Name) // another replica was faster
	}
	if err != nil {
		return refused("look for stream "+want.Name, err)
	}
	have := existing.CachedInfo().Config
	if have.Storage != want.Storage || have.Retention != want.Retention || have.DenyDelete && !want.DenyDelete {
		return fault.New(fault.Permanent, "nats.stream",
			"stream %s exists with storage %s, retention %s and denied deletion %t; storage %s, retention %s and %t are needed, and cannot be changed",
			want.Name, have.Storage, have.Retention, have.DenyDelete, want.Storage, want.Retention, want.DenyDelete).
			WithHint("another program made the stream: use a NATS account of its own for Tranship, or remove the stream")
	}
	next := merged(have, want)
	if reflect.DeepEqual(have, next) {
		return nil
	}
	_, err = js.UpdateStream(ctx, next)
	return refused("update stream "+want.Name, err)
}

// merged returns what the operator has, with what this version needs.
func merged(have, want natsjs.StreamConfig) natsjs.StreamConfig {
	next := have
	next.Description, next.Subjects = want.Description, want.Subjects
	next.Replicas = max(have.Replicas, want.Replicas)
	next.AllowDirect = have.AllowDirect || want.AllowDirect
	next.DenyDelete, next.AllowRollup = want.DenyDelete, want.AllowRollup
	next.AllowMsgTTL = have.AllowMsgTTL || want.AllowMsgTTL
	next.AllowMsgSchedules = have.AllowMsgSchedules || want.AllowMsgSchedules
	next.Discard = want.Discard
	if want.MaxMsgSize != 0 {
		next.MaxMsgSize = want.MaxMsgSize
	}
	if want.Duplicates != 0 {
		next.Duplicates = want.Duplicates
	}
	if want.MaxMsgsPerSubject != 0 {
		next.MaxMsgsPerSubject = want.MaxMsgsPerSubject
	}
	if want.SubjectDeleteMarkerTTL != 0 {
		next.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL
	}
	return next
}

func ensureConsumer(ctx context.Context, js natsjs.JetStream, stream string, want natsjs.ConsumerConfig) error {
	existing, err := js.Consumer(ctx, stream, want.Durable)
	switch {
	case errors.Is(err, natsjs.ErrConsumerNotFound):
		_, err = js.CreateOrUpdateConsumer(ctx, stream, want)
		return refused("create consumer "+want.Durable, err)
	case err != nil:
		return refused("look for consumer "+want.Durable, err)
	}
	have := existing.CachedInfo().Config
	if have.AckPolicy != want.AckPolicy || have.DeliverPolicy != want.DeliverPolicy {
		return fault.New(fault.Permanent, "nats.consumer",
			"consumer %s of stream %s exists with another acknowledgement or delivery policy, which cannot be changed", want.Durable, stream).
			WithHint("remove the consumer: it is created again, and no message is lost")
	}
	if have.FilterSubject == want.FilterSubject && len(have.FilterSubjects) == 0 && have.AckWait == want.AckWait &&
		have.MaxDeliver == want.MaxDeliver && have.MaxAckPending == want.MaxAckPending && have.MaxWaiting == want.MaxWaiting {
		return nil
	}
	next := have
	next.FilterSubject, next.FilterSubjects = want.FilterSubject, nil
	next.AckWait, next.MaxDeliver, next.MaxAckPending = want.AckWait, want.MaxDeliver, want.MaxAckPending
	_, err = js.CreateOrUpdateConsumer(ctx, stream, next)
	return refused("update consumer "+want.Durable, err)
}

// refused wraps an error of the server. What it refuses to create or change, a person has to look at.
func refused(what string, err error) error {
	var api *natsjs.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && slices.Contains([]int{400, 500}, api.Code) && api.ErrorCode != natsjs.JSErrCodeStreamNameInUse:
		return fault.New(fault.Permanent, "nats.stream", "%s: %w", what, err).
			WithHint("the NATS server refuses the configuration; see its log and its limits for this account")
	}
	return fmt.Errorf("%s: %w", what, classify(err))
}
