package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/natscheckpoint"
	"github.com/tranship/tranship/pkg/events"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts anew")

const transcripts = "../../pkg/events/testdata/transcript"

var (
	now         = clock.Fixed(time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC))
	scheduler   = events.Address{Tenant: "default", Service: bus.ServiceScheduler, Run: "r1", Step: "capture", Task: "1"}
	taskSubject = events.TaskSubject("default", "r1", events.StageCapture, events.LocalCluster, "capture", "1")
	workSubject = events.WorkSubject(events.StageCapture, events.LocalCluster, "default", "r1", "capture", "1")
)

func TestTranscriptOfATaskThatCompletes(t *testing.T) {
	r := record(t, "A task that completes: the command, the claim that makes a worker its owner, and the result.")
	r.send(1)
	msg := r.take()
	r.note("The worker looks at the last message of the reply subject: there is none, so its claim expects sequence 0.")
	w := r.worker("capturer@host-1/42", time.Hour, func(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		r.published(1)
		r.note("The accepted claim's sequence is the worker's fence. It works, keeping the command alive with +WPI on its\n" +
			"acknowledgement subject every few seconds. The result expects the claim's sequence.")
		return events.Outcome{Ref: "t/c1/1", Digest: "blake3:" + strings.Repeat("0", 64), Stats: events.Stats{Rows: 3, Bytes: 120, Stored: 80}}, nil
	})
	check(t, w.Handle(msg))
	r.published(1)
	r.note("The worker acknowledges the command with +ACK.")
	r.compare("completed.txt")
}

func TestTranscriptOfATakeover(t *testing.T) {
	r := record(t, "A task that changes hands: its first worker falls silent after the claim, a second one takes over and fails.")
	r.send(1)
	msg := r.take()
	claimed, release := make(chan struct{}), make(chan struct{})
	first := r.worker("capturer@host-1/42", time.Hour, func(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		close(claimed)
		<-release
		return events.Outcome{Stats: events.Stats{Rows: 3}}, nil
	})
	ended := make(chan error, 1)
	go func() { ended <- first.Handle(msg) }()
	<-claimed
	r.published(1)
	r.note("Nothing keeps the command alive, so the server delivers it to another worker after the consumer's wait. Its claim\n" +
		"expects the sequence of the first worker's, and is the new fence.")
	second := r.worker("capturer@host-2/7", time.Hour, func(context.Context, stage.Job[events.CaptureRequested]) (events.Outcome, error) {
		return events.Outcome{}, fault.New(fault.Transient, "store.away", "reach location vault: connection refused").WithHint("check that the store is up")
	})
	check(t, second.Handle(msg.Copy()))
	r.published(2)
	r.note("The second worker acknowledges the command. The first one wakes up and writes its result, which expects its own claim.")
	close(release)
	if err := <-ended; !errors.Is(err, stage.ErrFenced) {
		t.Errorf("the first worker ended with %v", err)
	}
	r.published(1)
	r.note("It was refused: the first worker has lost the task, stops, and does not acknowledge. The scheduler decides about a\n" +
		"further attempt.")
	r.compare("takeover.txt")
}

// recorder writes down what goes over a real bus.
type recorder struct {
	t     *testing.T
	bus   *bustest.Bus
	tap   *nats.Subscription // what anybody publishes to the journal, accepted or not
	js    natsjs.JetStream   // the scheduler's
	work  natsjs.JetStream   // the capturer's
	text  bytes.Buffer
	after uint64 // sequence of the journal's last message that is written down
}

// record starts a bus with a run whose state is running.
func record(t *testing.T, title string) *recorder {
	r := &recorder{t: t, bus: bustest.Start(t, bustest.Options{})}
	r.js, r.work = r.bus.JetStream(bus.ServiceScheduler), r.bus.JetStream(bus.ServiceCapturer)
	at := scheduler
	at.Step, at.Task = "", ""
	e, err := events.New(at, 1, now.Now(), events.RunResumed{})
	check(t, err)
	e.SetExtension(events.ExtRunState, string(saga.RunRunning))
	seq, err := r.journal(r.js).Append(t.Context(), events.RunSubject("default", "r1"), 0, e)
	check(t, err)
	r.after = uint64(seq)
	fmt.Fprintf(&r.text, "%s\n\nThe journal's last message, about the run, has sequence %d. Claims, which are random, are replaced.\n", title, seq)
	r.tap, err = r.bus.Connect(bus.ServiceGateway).SubscribeSync("saga.>")
	check(t, err)
	return r
}

func (r *recorder) journal(js natsjs.JetStream) saga.Journal {
	return natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js})
}

// note adds a remark.
func (r *recorder) note(text string) {
	fmt.Fprintf(&r.text, "\n# %s\n", strings.ReplaceAll(text, "\n", "\n# "))
}

// send publishes the command as the scheduler does.
func (r *recorder) send(attempt int) {
	r.t.Helper()
	e, err := events.New(scheduler, uint64(attempt), now.Now(), events.CaptureRequested{
		Assignment: events.Assignment{
			Attempt: attempt, Generation: 1, ReplySubject: taskSubject, Deadline: time.Now().UTC().Add(time.Hour), Output: "c1",
			Index: 1, Plan: &events.PlanRef{Count: 1, Ref: "t/c1/plan", Digest: "blake3:" + strings.Repeat("0", 64)},
		},
		Work: events.CaptureWork{Application: resource("Application", "shop"), To: resource("Location", "vault")},
	})
	check(r.t, err)
	e.SetID(e.ID() + "/command")
	e.SetExtension(events.ExtAttempt, fmt.Sprint(attempt))
	id := fmt.Sprintf("r1/capture/1/%d", attempt)
	check(r.t, jetstream.NewCommands(r.js).Publish(r.t.Context(), workSubject, id, e))
	stream, err := r.js.Stream(r.t.Context(), bus.StreamWork)
	check(r.t, err)
	m, err := stream.GetLastMsgForSubject(r.t.Context(), workSubject)
	check(r.t, err)
	r.write("the scheduler publishes", m.Subject, m.Header, m.Data, "")
}

// take returns the command as the worker's subscriber would hand it over.
func (r *recorder) take() *message.Message {
	r.t.Helper()
	c, err := r.work.Consumer(r.t.Context(), bus.StreamWork, bus.WorkConsumer(events.StageCapture, events.LocalCluster))
	check(r.t, err)
	m, err := c.Next()
	check(r.t, err)
	fmt.Fprintf(&r.text, "\n>>> a worker takes it from the consumer %s of the stream %s\n", c.CachedInfo().Name, bus.StreamWork)
	w := message.NewMessage("1", m.Data())
	w.Metadata.Set(bus.MetaSubject, m.Subject())
	return w
}

func (r *recorder) worker(name string, beat time.Duration, h stage.HandlerFunc[events.CaptureRequested]) *stage.Worker {
	return stage.New(
		stage.Config{Service: bus.ServiceCapturer, Name: name, Stage: events.StageCapture, Beat: beat, Grace: time.Minute},
		stage.Deps{
			Journal: r.journal(r.work), Checkpoints: natscheckpoint.New(natscheckpoint.Deps{JetStream: r.work}), Clock: now, Log: watermill.NopLogger{},
		},
		stage.On(h))
}

// published writes down the next n messages that were published to the journal, and what the server said to them.
func (r *recorder) published(n int) {
	r.t.Helper()
	stream, err := r.js.Stream(r.t.Context(), bus.StreamSaga)
	check(r.t, err)
	for range n {
		m, err := r.tap.NextMsg(10 * time.Second)
		check(r.t, err)
		answer := "refused: wrong last sequence"
		if stored, err := stream.GetMsg(r.t.Context(), r.after+1); err == nil && bytes.Equal(stored.Data, m.Data) {
			r.after++
			answer = fmt.Sprintf("accepted with sequence %d", r.after)
		}
		r.write("a worker publishes", m.Subject, m.Header, m.Data, answer)
	}
}

var (
	deadlines = regexp.MustCompile(`"deadline": "[^"]*"`)
	claims    = regexp.MustCompile(`"claim": "[^"]*"`)
)

// normalised replaces what is different each time.
func normalised(text string) string {
	seen := map[string]int{}
	text = deadlines.ReplaceAllString(text, `"deadline": "2026-03-01T03:00:00Z"`)
	return claims.ReplaceAllStringFunc(text, func(claim string) string {
		if seen[claim] == 0 {
			seen[claim] = len(seen) + 1
		}
		return fmt.Sprintf(`"claim": "RANDOM-%d"`, seen[claim])
	})
}

func (r *recorder) write(who, subject string, header nats.Header, data []byte, answer string) {
	r.t.Helper()
	fmt.Fprintf(&r.text, "\n>>> %s to %s\n", who, subject)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&r.text, "%s: %s\n", name, header.Get(name))
	}
	r.text.WriteByte('\n')
	check(r.t, json.Indent(&r.text, data, "", "  "))
	r.text.WriteByte('\n')
	if answer != "" {
		fmt.Fprintf(&r.text, "<<< %s\n", answer)
	}
}

func (r *recorder) compare(name string) {
	r.t.Helper()
	check(r.t, r.tap.Unsubscribe())
	if m, err := r.tap.NextMsg(0); err == nil {
		r.t.Errorf("something else was published: %s", m.Data)
	}
	got := normalised(r.text.String())
	file := filepath.Join(transcripts, name)
	if *rewrite {
		check(r.t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	check(r.t, err)
	if got != string(want) {
		r.t.Errorf("another exchange than in %s:\n%s", file, got)
	}
}

func resource(kind, name string) events.Resource {
	return events.Resource(fmt.Sprintf(`{"apiVersion":"tranship.io/v1alpha1","kind":%q,"metadata":{"name":%q}}`, kind, name))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
