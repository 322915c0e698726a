package client

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesAreReadAsTheStandardSays(t *testing.T) {
	const stream = ": a comment\n\nid: 1\nevent: a\ndata: one\n\n\nevent:b\ndata:two\ndata: lines\n\nid: 3\n\nretry: 5\ndata: x\r\n\r\ndata: lost"
	r := newFrameReader(iotest.OneByteReader(strings.NewReader(stream)))
	for i, want := range []frame{{"1", "a", []byte("one")}, {"", "b", []byte("two\nlines")}, {"", "", []byte("x")}} {
		got, err := r.next()
		if err != nil || got.id != want.id || got.name != want.name || !bytes.Equal(got.data, want.data) {
			t.Fatalf("frame %d: got %q, %v", i, got, err)
		}
	}
	if f, err := r.next(); err == nil {
		t.Fatalf("a frame that was cut off was taken: %q", f)
	}
}

func TestFrameWithoutEndIsNotKept(t *testing.T) {
	for name, stream := range map[string]string{
		"one line":   "data: " + strings.Repeat("x", 2*maxFrame),
		"many lines": strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 2*maxFrame/1000),
	} {
		if f, err := newFrameReader(strings.NewReader(stream)).next(); err == nil || len(f.data) > 2*maxFrame {
			t.Errorf("%s: %d bytes, %v", name, len(f.data), err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("id: 1\nevent: progress\ndata: {}\n\n"))
	f.Add([]byte("id: 1\nevent: end\ndata: {}\n\n"))
	f.Add([]byte(":\n\n\ndata\n\ndata:[]\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newFrameReader(bytes.NewReader(data))
		for {
			fr, err := r.next()
			if err != nil {
				return
			}
			if e, err := fr.event(); err == nil && (e.Journal == nil) == (e.Progress == nil) {
				t.Fatalf("frame %q gave %+v", fr, e)
			}
		}
	})
}
