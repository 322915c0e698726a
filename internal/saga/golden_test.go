package saga

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of this version anew")

// line is an entry of a journal on disk.
type line struct {
	Subject string      `json:"subject"`
	Seq     Seq         `json:"seq"`
	Event   event.Event `json:"event"`
}

// eventful is a run that meets a lost snapshot, a failure, a deadline, a pause and a cancellation.
func eventful(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.start(t, pipeline...)
	w.failed(t, w.upTo(t, "capture", "2", 3), events.Fault{Class: "transient", Code: events.CodeSnapshotLost, Message: "the snapshot is gone"})
	w.failed(t, w.upTo(t, "mask", "1", 3), away)
	for len(w.retries()) > 0 {
		w.fire(t, w.retries()[0])
	}
	id := w.upTo(t, "mask", events.TaskDraft, 3)
	if _, ok := w.claim(t, id, "hung"); !ok {
		t.Fatal(w.history())
	}
	w.must(t, Timer{Step: "mask", Task: events.TaskDraft, Attempt: 1})
	for len(w.retries()) > 0 {
		w.fire(t, w.retries()[0])
	}
	w.upTo(t, "restore", "1", 3)
	w.must(t, control("q1", "pause", ""))
	w.must(t, control("q2", "resume", ""))
	w.must(t, control("q3", "cancel", ""))
	if s := w.finish(t, 3); s.Status != RunCanceled {
		t.Fatalf("the run is %s\n%s", s.Status, w.history())
	}
	return w
}

func TestJournalsOfEveryVersionStillFold(t *testing.T) {
	dir := filepath.Join("testdata", "journals")
	if *rewrite {
		writeGolden(t, filepath.Join(dir, "v1.jsonl"), eventful(t))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no journals: %v", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		var s State
		in := bufio.NewScanner(f)
		in.Buffer(nil, events.MaxSize*2)
		for in.Scan() {
			var l line
			if err := json.Unmarshal(in.Bytes(), &l); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if s, err = Fold(s, Entry(l)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := in.Err(); err != nil {
			t.Fatal(err)
		}
		golden := name[:len(name)-len(".jsonl")] + ".state.json"
		got, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		if *rewrite {
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s folds to another state than it did:\n%s", name, got)
		}
	}
}

// TestDecisionsStayTheSame: the same course of events writes the same journal, byte for byte.
func TestDecisionsStayTheSame(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "journals", "v1.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if got := encoded(t, eventful(t)); !bytes.Equal(got, want) {
		t.Errorf("the journal of the eventful run has changed:\n%s", got)
	}
}

func encoded(t *testing.T, w *world) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, e := range w.entries {
		if err := enc.Encode(line(e)); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func writeGolden(t *testing.T, path string, w *world) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, encoded(t, w), 0o600); err != nil {
		t.Fatal(err)
	}
}
