package bus

import (
	"slices"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Names of the services that connect to the bus, each with a key and permissions of its own.
const (
	ServiceScheduler  = "scheduler"
	ServiceCapturer   = "capturer"
	ServiceMasker     = "masker"
	ServiceVerifier   = "verifier"
	ServiceTransferer = "transferer"
	ServiceRestorer   = "restorer"
	ServiceGateway    = "gateway"
)

// Services lists every service that connects to the bus.
func Services() []string {
	return []string{ServiceScheduler, ServiceCapturer, ServiceMasker, ServiceVerifier, ServiceTransferer, ServiceRestorer, ServiceGateway}
}

// StagesOf lists the stages that a service works for; nil for those that are no workers.
func StagesOf(service string) []events.Stage {
	switch service {
	case ServiceCapturer:
		return []events.Stage{events.StageCapture}
	case ServiceMasker:
		return []events.Stage{events.StageMask}
	case ServiceVerifier:
		return []events.Stage{events.StageScan}
	case ServiceTransferer:
		return []events.Stage{events.StageTransfer}
	case ServiceRestorer:
		return []events.Stage{events.StageRestore, events.StageVerify}
	}
	return nil
}

// InboxPrefix is the first token of the subjects on which a service takes replies, so that no other service can listen.
func InboxPrefix(service string) string { return "_INBOX_" + service }

// Grant lists the subjects that a service may publish and subscribe to. Whatever is not listed is denied.
type Grant struct {
	Publish   []string
	Subscribe []string
}

// Permissions returns the least that a service needs. A worker is held to the commands, facts and checkpoints of its
// stages near the given clusters; without any, near the local one.
func Permissions(service string, clusters ...string) (Grant, error) {
	g := Grant{Subscribe: []string{InboxPrefix(service) + ".>"}}
	switch {
	case service == ServiceScheduler:
		g.Publish = schedulerPublishes()
	case service == ServiceGateway:
		g.Publish = gatewayPublishes()
		g.Subscribe = append(g.Subscribe, "saga.>")
	case StagesOf(service) != nil:
		if len(clusters) == 0 {
			clusters = []string{events.LocalCluster}
		}
		for _, stage := range StagesOf(service) {
			for _, cluster := range clusters {
				g.Publish = append(g.Publish, workerPublishes(stage, cluster)...)
			}
		}
		g.Publish = append(g.Publish, apiGet(StreamSaga, "saga.*.*.run"), api("STREAM.INFO", kv(BucketCheckpoint)))
	default:
		return Grant{}, fault.New(fault.Permanent, "nats.service", "service: %q has no place on the bus", service)
	}
	return g, nil
}

// workerPublishes lets a worker take the commands of its stage, append and read the facts of its tasks, and keep their
// checkpoints.
func workerPublishes(stage events.Stage, cluster string) []string {
	facts := "saga.*.*." + string(stage) + "." + cluster + ".>"
	keys := "$KV." + BucketCheckpoint + "." + string(stage) + "." + cluster + ".>"
	own := []string{facts, apiGet(StreamSaga, facts), keys, apiGet(kv(BucketCheckpoint), keys)}
	return append(own, takes(StreamWork, WorkConsumer(stage, cluster))...)
}

func schedulerPublishes() []string {
	out := []string{"saga.>", "work.>", "at.>", "$JS.API.INFO"}
	streams := []string{StreamSaga, StreamWork, kv(BucketCheckpoint), kv(BucketSeen), kv(BucketResources)}
	for _, s := range streams {
		out = append(out,
			api("STREAM.CREATE", s), api("STREAM.UPDATE", s), api("STREAM.INFO", s), api("STREAM.MSG.GET", s),
			api("DIRECT.GET", s), apiGet(s, ">"),
		)
	}
	for _, s := range []string{StreamSaga, StreamWork, kv(BucketCheckpoint)} {
		out = append(out, api("STREAM.PURGE", s)) // of runs that ended long ago
	}
	for _, s := range []string{StreamSaga, StreamWork} {
		out = append(out, api("CONSUMER.CREATE", s)+".>", api("CONSUMER.INFO", s)+".*", api("CONSUMER.DELETE", s)+".*")
	}
	out = append(out, takes(StreamSaga, ConsumerReactor)...)
	out = append(out, takes(StreamWork, ConsumerTimer)...)
	out = append(out, takes(StreamWork, ConsumerTrigger)...)
	return dedupe(append(out, watches(BucketResources)...))
}

func gatewayPublishes() []string {
	out := []string{
		"work.trigger.>", "work.deliver.>",
		"$KV." + BucketResources + ".>", "$KV." + BucketSeen + ".>",
		api("DIRECT.GET", StreamSaga), apiGet(StreamSaga, "saga.>"), api("STREAM.INFO", StreamSaga),
		api("STREAM.INFO", kv(BucketSeen)), apiGet(kv(BucketSeen), "$KV."+BucketSeen+".>"),
		api("STREAM.INFO", kv(BucketCheckpoint)), apiGet(kv(BucketCheckpoint), "$KV."+BucketCheckpoint+".>"),
		api("STREAM.INFO", kv(BucketResources)),
		api("DIRECT.GET", kv(BucketResources)), apiGet(kv(BucketResources), "$KV."+BucketResources+".>"),
	}
	out = append(out, takes(StreamWork, ConsumerDeliver)...)
	return dedupe(append(out, watches(BucketResources)...))
}

// takes lets a service pull from a durable consumer and settle what it got, and nothing else with it.
func takes(stream, consumer string) []string {
	return []string{
		api("CONSUMER.INFO", stream) + "." + consumer,
		api("CONSUMER.MSG.NEXT", stream) + "." + consumer,
		"$JS.ACK." + stream + "." + consumer + ".>",
	}
}

// watches lets a service list and watch a bucket, which takes a consumer for a moment.
func watches(bucket string) []string {
	return []string{
		api("STREAM.INFO", kv(bucket)), api("CONSUMER.CREATE", kv(bucket)) + ".>",
		api("CONSUMER.INFO", kv(bucket)) + ".*", api("CONSUMER.DELETE", kv(bucket)) + ".*", "$JS.FC." + kv(bucket) + ".>",
	}
}

func api(verb, stream string) string       { return "$JS.API." + verb + "." + stream }
func apiGet(stream, subject string) string { return "$JS.API.DIRECT.GET." + stream + "." + subject }
func kv(bucket string) string              { return "KV_" + bucket }

func dedupe(subjects []string) []string {
	slices.Sort(subjects)
	return slices.Compact(subjects)
}
