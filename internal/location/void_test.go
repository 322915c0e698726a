package location_test

import (
	"errors"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/pkg/events"
)

func TestVoidGivesUpEveryGenerationOfAStep(t *testing.T) {
	private, err := artifact.GenerateLocationKey()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := artifact.Create(t.Context(), blob.NewBucket(mem.New(clock.Real{}), "shop"),
		artifact.Config{Application: "shop", Trust: artifact.Raw}, artifact.Keys{Public: private.Public(), Writer: artifact.GenerateWriterKey()})
	if err != nil {
		t.Fatal(err)
	}
	l := &location.Location{Name: "vault", Trust: artifact.Raw, Repo: repo}
	for range 2 { // undoing twice is harmless
		if err := l.Void(t.Context(), "r1", events.Assignment{Output: "c3", Abandoned: []string{"c1", "c2"}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"c1", "c2", "c3"} {
		id, err := artifact.ParseRawID(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Manifest(t.Context(), id, nil); !errors.Is(err, artifact.ErrVoid) {
			t.Errorf("capture %s: %v", name, err)
		}
	}
}
