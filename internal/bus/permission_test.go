package bus_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
)

const (
	facts   = "saga.default.run-1."
	getSaga = "$JS.API.DIRECT.GET.SAGA."
	next    = "$JS.API.CONSUMER.MSG.NEXT."
)

// Which services may publish to a subject, requests to the server's API among them. All others are refused.
var publishMatrix = []struct {
	subject string
	allowed []string
}{
	// the journal
	{facts + "run", []string{bus.ServiceScheduler}},
	{facts + "capture.local.capture.1", []string{bus.ServiceScheduler, bus.ServiceCapturer}},
	{facts + "mask.local.mask.commit", []string{bus.ServiceScheduler, bus.ServiceMasker}},
	{facts + "scan.local.mask.scan", []string{bus.ServiceScheduler, bus.ServiceVerifier}},
	{facts + "transfer.local.transfer.1", []string{bus.ServiceScheduler, bus.ServiceTransferer}},
	{facts + "restore.local.restore.1", []string{bus.ServiceScheduler, bus.ServiceRestorer}},
	{facts + "verify.local.verify.1", []string{bus.ServiceScheduler, bus.ServiceRestorer}},
	{facts + "capture.elsewhere.capture.1", []string{bus.ServiceScheduler}},
	{getSaga + facts + "run", append([]string{bus.ServiceScheduler, bus.ServiceGateway}, workers...)},
	{getSaga + facts + "capture.local.capture.1", []string{bus.ServiceScheduler, bus.ServiceGateway, bus.ServiceCapturer}},
	{getSaga + facts + "restore.local.restore.1", []string{bus.ServiceScheduler, bus.ServiceGateway, bus.ServiceRestorer}},
	{"$JS.API.DIRECT.GET.SAGA", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	{"$JS.API.STREAM.MSG.GET.SAGA", []string{bus.ServiceScheduler}},
	{"$JS.API.STREAM.INFO.SAGA", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	// work
	{"work.capture.local.default.run-1.capture.1", []string{bus.ServiceScheduler}},
	{"work.restore.local.default.run-1.restore.1", []string{bus.ServiceScheduler}},
	{"work.timer.default.run-1", []string{bus.ServiceScheduler}},
	{"work.trigger.default.run-1", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	{"work.deliver.default.1", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	{"at.retry.default.run-1", []string{bus.ServiceScheduler}},
	{next + "WORK.capture_local", []string{bus.ServiceCapturer}},
	{next + "WORK.capture_elsewhere", nil},
	{next + "WORK.mask_local", []string{bus.ServiceMasker}},
	{next + "WORK.scan_local", []string{bus.ServiceVerifier}},
	{next + "WORK.transfer_local", []string{bus.ServiceTransferer}},
	{next + "WORK.restore_local", []string{bus.ServiceRestorer}},
	{next + "WORK.verify_local", []string{bus.ServiceRestorer}},
	{next + "WORK.trigger", []string{bus.ServiceScheduler}},
	{next + "WORK.timer", []string{bus.ServiceScheduler}},
	{next + "WORK.deliver", []string{bus.ServiceGateway}},
	{next + "SAGA.reactor", []string{bus.ServiceScheduler}},
	{"$JS.ACK.WORK.mask_local.1.1.1.1.1", []string{bus.ServiceMasker}},
	{"$JS.ACK.WORK.trigger.1.1.1.1.1", []string{bus.ServiceScheduler}},
	{"$JS.API.DIRECT.GET.WORK.work.restore.local.default.run-1.restore.1", []string{bus.ServiceScheduler}},
	// streams and consumers
	{"$JS.API.STREAM.CREATE.SAGA", []string{bus.ServiceScheduler}},
	{"$JS.API.STREAM.CREATE.ANOTHER", nil},
	{"$JS.API.STREAM.UPDATE.WORK", []string{bus.ServiceScheduler}},
	{"$JS.API.STREAM.PURGE.SAGA", []string{bus.ServiceScheduler}},
	{"$JS.API.STREAM.PURGE.WORK", []string{bus.ServiceScheduler}},
	{"$JS.API.STREAM.DELETE.SAGA", nil},
	{"$JS.API.STREAM.MSG.DELETE.SAGA", nil},
	{"$JS.API.STREAM.NAMES", nil},
	{"$JS.API.STREAM.SNAPSHOT.SAGA", nil},
	{"$JS.API.CONSUMER.CREATE.WORK.capture_local.work.capture.local.>", []string{bus.ServiceScheduler}},
	{"$JS.API.CONSUMER.CREATE.SAGA.mine.saga.>", []string{bus.ServiceScheduler}},
	{"$JS.API.CONSUMER.DELETE.WORK.capture_local", []string{bus.ServiceScheduler}},
	{"$JS.API.CONSUMER.INFO.WORK.mask_local", []string{bus.ServiceScheduler, bus.ServiceMasker}},
	// buckets
	{"$KV.CHECKPOINT.capture.local.default.run-1.capture.1", []string{bus.ServiceCapturer}},
	{"$KV.CHECKPOINT.restore.local.default.run-1.restore.1", []string{bus.ServiceRestorer}},
	{"$JS.API.DIRECT.GET.KV_CHECKPOINT.$KV.CHECKPOINT.mask.local.default.run-1.mask.1",
		[]string{bus.ServiceScheduler, bus.ServiceGateway, bus.ServiceMasker}},
	{"$KV.RESOURCES.default.policy.nightly", []string{bus.ServiceGateway}},
	{"$JS.API.DIRECT.GET.KV_RESOURCES.$KV.RESOURCES.default.policy.nightly", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	{"$JS.API.DIRECT.GET.KV_RESOURCES", []string{bus.ServiceScheduler, bus.ServiceGateway}},
	{"$KV.SEEN.abc", []string{bus.ServiceGateway}},
	// the server and the inboxes of others
	{"$SYS.REQ.SERVER.PING", nil},
	{"_INBOX_scheduler.forged", nil},
}

var workers = []string{bus.ServiceCapturer, bus.ServiceMasker, bus.ServiceVerifier, bus.ServiceTransferer, bus.ServiceRestorer}

var subscribeMatrix = []struct {
	subject string
	allowed []string
}{
	{"saga.>", []string{bus.ServiceGateway}},
	{facts + "run", []string{bus.ServiceGateway}},
	{"work.>", nil},
	{"$KV.RESOURCES.>", nil},
	{">", nil},
	{"_INBOX.>", nil},
	{"_INBOX_masker.>", []string{bus.ServiceMasker}},
	{"_INBOX_scheduler.>", []string{bus.ServiceScheduler}},
	{"$SYS.>", nil},
}

func TestServicesHaveTheLeastPermissions(t *testing.T) {
	b := bustest.Start(t, bustest.Options{Bare: true})
	for _, service := range bus.Services() {
		t.Run(service, func(t *testing.T) {
			probe := connect(t, b, service)
			for _, c := range publishMatrix {
				if got, want := probe.publish(t, c.subject), slices.Contains(c.allowed, service); got != want {
					t.Errorf("publish to %s: allowed is %t, want %t", c.subject, got, want)
				}
			}
			for _, c := range subscribeMatrix {
				if got, want := probe.subscribe(t, c.subject), slices.Contains(c.allowed, service); got != want {
					t.Errorf("subscribe to %s: allowed is %t, want %t", c.subject, got, want)
				}
			}
		})
	}
}

func TestWorkersNearSeveralClusters(t *testing.T) {
	g, err := bus.Permissions(bus.ServiceMasker, "prod", "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"saga.*.*.mask.prod.>", "saga.*.*.mask.test.>", next + "WORK.mask_prod", next + "WORK.mask_test"} {
		if !slices.Contains(g.Publish, s) {
			t.Errorf("%s is missing", s)
		}
	}
	if slices.Contains(g.Publish, "saga.*.*.mask.local.>") {
		t.Error("the local cluster is allowed")
	}
}

func TestUnknownServiceHasNoPermissions(t *testing.T) {
	if g, err := bus.Permissions("stranger"); err == nil {
		t.Fatalf("got %v", g)
	}
}

// prober finds out what the server allows to one connection. The server reports a violation ahead of the answer to the
// ping that follows it.
type prober struct{ nc *nats.Conn }

func connect(t *testing.T, b *bustest.Bus, service string) prober {
	t.Helper()
	return prober{b.Connect(service)}
}

func (p prober) publish(t *testing.T, subject string) bool {
	t.Helper()
	if err := p.nc.Publish(subject, nil); err != nil {
		t.Fatal(err)
	}
	return p.allowed(t, "Publish", subject)
}

func (p prober) subscribe(t *testing.T, subject string) bool {
	t.Helper()
	sub, err := p.nc.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	return p.allowed(t, "Subscription", subject)
}

func (p prober) allowed(t *testing.T, what, subject string) bool {
	t.Helper()
	if err := p.nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	err := p.nc.LastError()
	return err == nil || !strings.Contains(err.Error(), what+` to "`+subject+`"`)
}
