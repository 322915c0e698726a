package artifact_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
)

func maskedID(t testing.TB, name string) artifact.MaskedID {
	t.Helper()
	id, err := artifact.ParseMaskedID(name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestACopyKeepsTheContentAndSkipsWhatTheDestinationHas(t *testing.T) {
	src, dst := newLocation(t, artifact.Masked), newLocation(t, artifact.Masked)
	id := maskedID(t, "capture-1")
	// The same megabytes twice, so that a stream holds equal chunks.
	half := random(3, 6<<20)
	data := append(append(append([]byte{}, half...), half...), make([]byte, 3<<20)...)
	w := begin(t, src.open(t, src.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: id})
	wants := map[string]artifact.Artifact{}
	for name, chunking := range map[string]artifact.Chunking{"s-1": artifact.Stream, "s-2": artifact.Blocks, "s-3": artifact.Lines} {
		wants[name] = write(t, w, name, chunking, data)
	}
	reader := src.open(t, src.reader)

	var sent []int64
	for _, copied := range []artifact.MaskedID{maskedID(t, "copy-1"), maskedID(t, "copy-2")} {
		config := artifact.SessionConfig{Run: "run-2", Task: "1", Fence: 1, Capture: copied}
		if copied.String() == "copy-2" {
			config.Parents = []artifact.ID{maskedID(t, "copy-1")}
		}
		s := begin(t, dst.open(t, dst.writer), config)
		var streams []artifact.Labelled
		for _, name := range []string{"s-1", "s-2", "s-3"} {
			a, stats, err := artifact.CopyMasked(t.Context(), reader, id, wants[name], s)
			if err != nil {
				t.Fatal(err)
			}
			if a.Plain != wants[name].Plain || stats.Bytes != int64(len(data)) {
				t.Errorf("%s: plain digest %s of %d bytes, want %s of %d", name, a.Plain, stats.Bytes, wants[name].Plain, len(data))
			}
			if copied.String() == "copy-2" && stats.Read != 0 {
				t.Errorf("%s: %d bytes of the source were read for chunks that the destination has", name, stats.Read)
			}
			if got := read(t, dst.open(t, dst.reader), copied, a); !bytes.Equal(got, data) {
				t.Errorf("%s: the copy reads back differently", name)
			}
			streams = append(streams, artifact.Labelled{Label: name, Artifact: a})
		}
		sent = append(sent, s.Stats().Stored)
		dst.commit(t, dst.open(t, dst.writer), copied, "run-2", streams...)
	}
	if sent[1] != 0 || sent[0] == 0 {
		t.Errorf("the copies sent %d bytes; want something first, and nothing then", sent)
	}
}

func TestARawCaptureIsNotCopiedIntoAMaskedLocation(t *testing.T) {
	src, dst := newLocation(t, artifact.Raw), newLocation(t, artifact.Masked)
	raw := src.id(t, "capture-1")
	a := write(t, begin(t, src.open(t, src.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: raw}), "s-1", artifact.Stream, []byte("secret"))
	masked := begin(t, dst.open(t, dst.writer), artifact.SessionConfig{Run: "run-2", Task: "1", Fence: 1, Capture: maskedID(t, "copy-1")})

	_, _, err := artifact.CopyRaw(t.Context(), src.open(t, src.reader), raw.(artifact.RawID), a, masked)
	if !errors.Is(err, artifact.ErrTrust) {
		t.Errorf("a raw stream into a masked session: %v, want ErrTrust", err)
	}
	// The names match, the trust does not.
	_, _, err = artifact.CopyMasked(t.Context(), src.open(t, src.reader), maskedID(t, "capture-1"), a, masked)
	if !errors.Is(err, artifact.ErrTrust) {
		t.Errorf("a raw repository taken for a masked one: %v, want ErrTrust", err)
	}
	if _, err := dst.open(t, dst.writer).Begin(t.Context(), artifact.SessionConfig{Run: "run-2", Task: "1", Capture: raw}); !errors.Is(err, artifact.ErrTrust) {
		t.Errorf("a raw capture in a masked repository: %v, want ErrTrust", err)
	}
}
