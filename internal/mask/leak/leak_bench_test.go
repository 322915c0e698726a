package leak_test

import "testing"

// BenchmarkScan reads rows of ten columns, most of them masked, on both sides.
func BenchmarkScan(b *testing.B) {
	const rows = 20_000
	cfg := config(people(b, rows))
	cfg.Units[0].Unit.Rows = rows
	for b.Loop() {
		if v := scan(b, cfg); !v.Passed {
			b.Fatal(v.Findings)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
