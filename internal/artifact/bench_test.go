package artifact_test

import (
	"bytes"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/clock"
)

// halfCompressible is text and noise by turns of 4 KiB.
func halfCompressible(n int) []byte {
	noise := random(77, n)
	text := bytes.Repeat([]byte("17\tcustomer\t2024-05-06\tcustomer@example.org\t\\N\n"), 86)
	for at := 0; at+8192 <= n; at += 8192 {
		copy(noise[at:at+4096], text)
	}
	return noise
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report gives the throughput that a person compares: per second of processor time, not of the clock.
func report(b *testing.B, bytes int64, from time.Duration) {
	b.ReportMetric(float64(bytes)/1e6/(processorTime()-from).Seconds(), "MB/CPU-s")
	b.ReportMetric(0, "ns/op")
}

func benchmarkLocation(b *testing.B) *location {
	store, err := file.New(file.Config{Path: b.TempDir()}, clock.Real{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return newLocationIn(b, artifact.Raw, store)
}

const benchmarkSize = 256 << 20

func BenchmarkCapture(b *testing.B) {
	data := halfCompressible(benchmarkSize)
	for _, codec := range []artifact.Codec{artifact.Store, artifact.S2, artifact.Zstd} {
		b.Run(string(codec), func(b *testing.B) {
			from := processorTime()
			for i := range b.N {
				b.StopTimer()
				l := benchmarkLocation(b)
				s := begin(b, l.open(b, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: l.id(b, fmt.Sprintf("capture-%d", i)), Codec: codec})
				b.StartTimer()
				write(b, s, "s-1", artifact.Stream, data)
			}
			report(b, benchmarkSize*int64(b.N), from)
		})
	}
}

func BenchmarkRestore(b *testing.B) {
	data := halfCompressible(benchmarkSize)
	for _, codec := range []artifact.Codec{artifact.S2, artifact.Zstd} {
		b.Run(string(codec), func(b *testing.B) {
			l := benchmarkLocation(b)
			id := l.id(b, "capture-1")
			a := write(b, begin(b, l.open(b, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id, Codec: codec}), "s-1", artifact.Stream, data)
			r := l.open(b, l.reader)
			from := processorTime()
			for b.Loop() {
				s, err := r.OpenStream(b.Context(), id, a)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, s); err != nil || n != benchmarkSize {
					b.Fatalf("%d bytes, %v", n, err)
				}
				s.Close()
			}
			report(b, benchmarkSize*int64(b.N), from)
		})
	}
}

func BenchmarkUnchangedCapture(b *testing.B) {
	data := halfCompressible(benchmarkSize)
	l := benchmarkLocation(b)
	r := l.open(b, l.writer)
	parent := l.id(b, "capture-0")
	a := write(b, begin(b, r, artifact.SessionConfig{Run: "run-0", Task: "1", Capture: parent}), "s-1", artifact.Stream, data)
	l.commit(b, r, parent, "run-0", artifact.Labelled{Label: "disk", Artifact: a})
	from := processorTime()
	for i := range b.N {
		s := begin(b, r, artifact.SessionConfig{Run: "run-1", Task: "1", Capture: l.id(b, fmt.Sprintf("capture-1-%d", i)), Parents: []artifact.ID{parent}})
		write(b, s, "s-1", artifact.Stream, data)
	}
	report(b, benchmarkSize*int64(b.N), from)
}
