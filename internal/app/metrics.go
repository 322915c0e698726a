package app

import (
	"context"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tranship/tranship/internal/blob/observe"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
)

// metrics are what Prometheus can read. Their labels are of small sets, and never names that users choose.
type metrics struct {
	registry      *prometheus.Registry
	messages      *prometheus.CounterVec
	messageTime   *prometheus.HistogramVec
	facts         *prometheus.CounterVec
	storeCalls    *prometheus.CounterVec
	storeBytes    *prometheus.CounterVec
	storeDuration *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tranship_messages_handled_total", Help: "Messages that a handler was given, by handler and outcome.",
		}, []string{"handler", "outcome"}),
		messageTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tranship_message_seconds", Help: "Time that a handler took for a message.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 12),
		}, []string{"handler"}),
		facts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tranship_journal_events_total", Help: "Events that this process appended to the journals of runs, by type.",
		}, []string{"type"}),
		storeCalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tranship_store_calls_total", Help: "Calls of object stores, by operation, kind of object and outcome.",
		}, []string{"op", "kind", "outcome"}),
		storeBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tranship_store_bytes_total", Help: "Bytes written to and read from object stores.",
		}, []string{"op", "kind"}),
		storeDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tranship_store_call_seconds", Help: "Time that a call of an object store took.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"op"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.messages, m.messageTime, m.facts, m.storeCalls, m.storeBytes, m.storeDuration)
	return m
}

// Handled implements router.Metrics.
func (m *metrics) Handled(handler string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(fault.ClassOf(err))
	}
	m.messages.WithLabelValues(handler, outcome).Inc()
	m.messageTime.WithLabelValues(handler).Observe(took.Seconds())
}

// journal counts what is appended through it.
type journal struct {
	*natsjournal.Journal
	metrics *metrics
}

// Append implements saga.Journal.
func (j journal) Append(ctx context.Context, subject string, after saga.Seq, evs ...event.Event) (saga.Seq, error) {
	seq, err := j.Journal.Append(ctx, subject, after, evs...)
	if err == nil {
		for _, e := range evs {
			j.metrics.facts.WithLabelValues(e.Type()).Inc()
		}
	}
	return seq, err
}

// Observe implements observe.Observer.
func (m *metrics) Observe(c observe.Call) {
	op := string(c.Op)
	m.storeCalls.WithLabelValues(op, kindOf(c.KeyClass), c.Outcome).Inc()
	m.storeBytes.WithLabelValues(op, kindOf(c.KeyClass)).Add(float64(c.Bytes))
	m.storeDuration.WithLabelValues(op).Observe(c.Duration.Seconds())
}

// kindOf maps what stands before an object's name to a kind. Keys start with tenant and application, which are no labels.
func kindOf(class string) string {
	switch class {
	case "p":
		return "pack"
	case "s":
		return "session"
	case "c":
		return "capture"
	case "t":
		return "step"
	case "l":
		return "lease"
	case "k":
		return "key"
	}
	return "other"
}

// keyClass finds the kind of object in a key: what follows tenant and application.
func keyClass(key string) string {
	segments := 0
	start := 0
	for i := range len(key) {
		if key[i] == '/' {
			if segments == 2 {
				return key[start:i]
			}
			segments++
			start = i + 1
		}
	}
	return ""
}
