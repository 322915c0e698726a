package artifact_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
)

func TestSummaryIsWhatTheListSays(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.all)
	for _, name := range []string{"a", "a-b", "b"} {
		id := l.id(t, name)
		s := begin(t, r, artifact.SessionConfig{Run: "run-" + name, Task: "1", Fence: 1, Capture: id})
		a := write(t, s, "s1", artifact.Stream, random(1, 1000))
		l.commit(t, r, id, "run-"+name, artifact.Labelled{Label: "s1", Artifact: a})
	}
	if err := r.MarkVerified(t.Context(), l.id(t, "a"), artifact.Report{Capture: "a", Run: "run-v"}, l.signers[artifact.Restorer]); err != nil {
		t.Fatal(err)
	}
	keyless := l.open(t, artifact.Keys{})
	n := 0
	for want, err := range keyless.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		got, err := keyless.Summary(t.Context(), l.id(t, want.Payload.Capture))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("capture %s: got %+v, %v, want %+v", want.Payload.Capture, got, err, want)
		}
	}
	if n != 3 {
		t.Fatalf("%d captures are listed", n)
	}
	if _, err := keyless.Summary(t.Context(), l.id(t, "none")); !errors.Is(err, artifact.ErrNotCommitted) {
		t.Errorf("no such capture: got %v", err)
	}
}
