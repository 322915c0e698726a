package masktest

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
)

// Property is a population of values and what has to hold for all of them.
type Property struct {
	Name     string         // of the subtest
	Params   map[string]any // of the identity
	Column   mask.Column    // its kind defaults to text
	Subject  string         // identity of the subject; Run sets the record's subject
	Siblings []mask.Value   // of every record

	// Values draws raw values that the mask accepts.
	Values func(*rapid.T) string
	// All lists a whole domain, on which an injective mask has to be injective.
	All []string
	// Valid, when set, is asked about each pair of input and output.
	Valid func(in, out string) error

	// Identifier demands that outputs differ from inputs, but for FixedPoints of them.
	Identifier bool
	// FixedPoints is the share of outputs that may equal their input (0.01 is one in a hundred).
	FixedPoints float64
	// SameLength demands as many characters as in the input.
	SameLength bool
	// Allocates is set for masks that may allocate per cell.
	Allocates bool
	// AnyText is set for masks whose outputs need not be ASCII.
	AnyText bool
}

// Now is the time at which Run and Deps build masks.
var Now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Epoch returns one of the suite's two key epochs.
func Epoch(number int) *mask.Epoch {
	secret := make([]byte, mask.KeySize)
	for i := range secret {
		secret[i] = byte(37*i + 101*number)
	}
	e, err := mask.NewEpoch("test", number, secret)
	if err != nil {
		panic(err)
	}
	return e
}

// Deps returns what masks are built from under the first epoch.
func Deps() mask.Deps { return mask.Deps{Epoch: Epoch(1), Now: Now} }

// samples is how many values of a population are compared with each other.
const samples = 3000

// Run checks a mask against its golden files in dir, the rules that hold for every mask, and the given properties.
func Run(t *testing.T, spec mask.Spec, dir string, properties ...Property) {
	RunWith(t, spec, dir, Deps(), properties...)
}

// RunWith is Run with other dependencies, for masks that contain masks.
func RunWith(t *testing.T, spec mask.Spec, dir string, deps mask.Deps, properties ...Property) {
	t.Run("is documented", func(t *testing.T) { documented(t, spec) })
	for _, file := range goldenFiles(t, spec, dir) {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, spec, deps, file) })
	}
	if len(properties) == 0 {
		t.Fatal("no property is given")
	}
	for _, p := range properties {
		if p.Column.Kind == "" {
			p.Column.Kind = mask.KindText
		}
		if p.Name == "" {
			p.Name = "values"
		}
		s := &suite{spec: spec, deps: deps, Property: p}
		t.Run(p.Name, s.run)
	}
}

func documented(t *testing.T, spec mask.Spec) {
	if spec.Name == "" || spec.Summary == "" || spec.Doc == "" || spec.Version < 1 || len(spec.Kinds) == 0 {
		t.Error("Name, Summary, Doc, Version and Kinds are not all set")
	}
	for _, p := range spec.Params {
		if p.Name == "" || p.Type == "" || p.Summary == "" {
			t.Errorf("parameter %q lacks a type or a summary", p.Name)
		}
	}
	_, err := mask.ParseParams(spec.Params, map[string]any{"noSuchParameter": true}, "params")
	if err == nil || !strings.Contains(err.Error(), "params.noSuchParameter") {
		t.Errorf("an unknown parameter gives %v, want an error that names its place", err)
	}
}

type suite struct {
	spec mask.Spec
	deps mask.Deps
	Property
}

func (s *suite) build(t testing.TB, identity string, epoch *mask.Epoch) mask.Transformer {
	t.Helper()
	params, err := mask.ParseParams(s.spec.Params, s.Params, "params")
	if err != nil {
		t.Fatal(err)
	}
	deps := s.deps
	deps.Epoch = epoch
	tr, err := s.spec.Build(mask.Config{
		Identity: identity, Subject: s.Subject, Column: s.Column, Params: params, Sentinels: []string{"n/a", "unknown"},
	}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func (s *suite) record() *mask.Record {
	r := &mask.Record{Siblings: s.Siblings}
	if s.Subject != "" {
		r.Subject = []byte("subject-1")
	}
	return r
}

func (s *suite) run(t *testing.T) {
	if !s.spec.SeesNull {
		t.Run("keeps NULL, the empty string and sentinels", s.general)
	}
	t.Run("survives any bytes", s.anyBytes)
	if s.Values == nil {
		return
	}
	t.Run("holds for every value", s.everyValue)
	if s.spec.Deterministic && !s.spec.Keeps && s.Identifier {
		t.Run("depends on identity and epoch", s.keyed)
	}
	if s.spec.Injective || s.spec.Bits > 0 {
		t.Run("keeps distinct values distinct", s.distinct)
	}
	if !s.Allocates {
		t.Run("does not allocate", s.allocations)
	}
}

func (s *suite) general(t *testing.T) {
	tr := s.build(t, "test.identity", Epoch(1))
	if out, err := tr.Transform([]byte("before"), mask.Null, s.record()); !errors.Is(err, mask.ErrNull) || string(out) != "before" {
		t.Errorf("NULL became %q, %v", out, err)
	}
	for _, v := range []string{"", "n/a", "unknown"} {
		out, err := tr.Transform([]byte("before"), mask.Text([]byte(v)), s.record())
		if err != nil || string(out) != "before"+v {
			t.Errorf("%q became %q, %v", v, out, err)
		}
	}
}

func (s *suite) anyBytes(t *testing.T) {
	tr := s.build(t, "test.identity", Epoch(1))
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.StringMatching(`[ 0-9+.:@{}"a-f-]{0,40}`),
		).Draw(t, "raw"))
		before := bytes.Clone(raw)
		out, err := tr.Transform([]byte("before"), mask.Text(raw), s.record())
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was changed")
		}
		if !bytes.HasPrefix(out, []byte("before")) {
			t.Fatalf("what stood in dst became %q", out)
		}
		if err != nil && len(out) != len("before") {
			t.Fatalf("bytes were appended beside the error %v", err)
		}
		if err != nil && len(raw) > 5 && strings.Contains(err.Error(), string(raw)) {
			t.Fatalf("the error %q has the value in it", err)
		}
	})
}

func (s *suite) everyValue(t *testing.T) {
	a, b := s.build(t, "test.identity", Epoch(1)), s.build(t, "test.identity", Epoch(1))
	total, fixed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		in := s.Values(t)
		out := transform(t, a, in, s.record())
		if again := transform(t, b, in, s.record()); again != out {
			t.Fatalf("%q became %q and, by another instance, %q", in, out, again)
		}
		total++
		if out == in {
			fixed++
		}
		if s.SameLength && len([]rune(out)) != len([]rune(in)) {
			t.Fatalf("%q became %q, of another length", in, out)
		}
		if !s.AnyText {
			for _, c := range []byte(out) {
				if c >= 0x80 {
					t.Fatalf("%q became %q, which is not ASCII", in, out)
				}
			}
		}
		if s.Valid != nil {
			if err := s.Valid(in, out); err != nil {
				t.Fatalf("%q became %q: %v", in, out, err)
			}
		}
	})
	if s.Identifier && float64(fixed) > s.FixedPoints*float64(total) {
		t.Errorf("%d of %d values stayed as they were", fixed, total)
	}
}

func (s *suite) keyed(t *testing.T) {
	a := s.build(t, "test.identity", Epoch(1))
	others := map[string]mask.Transformer{
		"identity": s.build(t, "test.other", Epoch(1)),
		"epoch":    s.build(t, "test.identity", Epoch(2)),
	}
	if s.Subject != "" { // then the subject's identity has the key
		delete(others, "identity")
	}
	for name, b := range others {
		equal, total := 0, 0
		for _, in := range s.sample(200) {
			total++
			x, y := transform(t, a, in, s.record()), transform(t, b, in, s.record())
			if x == y {
				equal++
			}
		}
		if float64(equal) > 0.1*float64(total)+5 {
			t.Errorf("%d of %d results are equal under another %s", equal, total, name)
		}
	}
}

func (s *suite) distinct(t *testing.T) {
	tr := s.build(t, "test.identity", Epoch(1))
	canon, err := s.spec.CanonFor(s.Column)
	if err != nil {
		t.Fatal(err)
	}
	values := s.All
	if values == nil {
		values = s.sample(samples)
	}
	source := make(map[string]string, len(values))
	for _, in := range values {
		key, err := canon(nil, []byte(in))
		if err != nil {
			t.Fatalf("%q has no canonical form: %v", in, err)
		}
		masked, err := canon(nil, []byte(transform(t, tr, in, s.record())))
		if err != nil {
			t.Fatalf("the mask of %q has no canonical form: %v", in, err)
		}
		if other, taken := source[string(masked)]; taken && other != string(key) {
			t.Fatalf("%q and %q both became %q", other, key, masked)
		}
		source[string(masked)] = string(key)
	}
}

func (s *suite) allocations(t *testing.T) {
	tr := s.build(t, "test.identity", Epoch(1))
	values := make([][]byte, 0, 50)
	for _, v := range s.sample(50) {
		values = append(values, []byte(v))
	}
	dst := make([]byte, 0, 1<<16)
	r := s.record()
	all := func() {
		for _, v := range values {
			if _, err := tr.Transform(dst, mask.Text(v), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	all()
	if n := testing.AllocsPerRun(10, all); n >= 1 {
		t.Errorf("%.2f allocations per value", n/float64(len(values)))
	}
}

// sample draws n values, the same in every run.
func (s *suite) sample(n int) []string {
	g := rapid.Custom(s.Values)
	out := make([]string, n)
	for i := range out {
		out[i] = g.Example(i)
	}
	return out
}

type failer interface {
	Fatalf(format string, args ...any)
}

func transform(t failer, tr mask.Transformer, in string, r *mask.Record) string {
	out, err := tr.Transform(nil, mask.Text([]byte(in)), r)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return string(out)
}

// Benchmark measures the mask over values that are given in turn. All of them have to be accepted.
func Benchmark(b *testing.B, spec mask.Spec, p Property, values ...string) {
	b.Helper()
	if p.Column.Kind == "" {
		p.Column.Kind = mask.KindText
	}
	s := &suite{spec: spec, deps: Deps(), Property: p}
	tr := s.build(b, "test.identity", Epoch(1))
	cells := make([]mask.Value, len(values))
	size := 0
	for i, v := range values {
		cells[i] = mask.Text([]byte(v))
		size += len(v)
	}
	r := s.record()
	dst := make([]byte, 0, 1<<16)
	for _, c := range cells { // tables and automata are made at the first value that needs them
		if _, err := tr.Transform(dst, c, r); err != nil {
			b.Fatal(err)
		}
	}
	b.Run(spec.Name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(size / len(values)))
		i := 0
		for b.Loop() {
			if _, err := tr.Transform(dst, cells[i%len(cells)], r); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// Ends returns a Valid function: outputs end in suffix.
func Ends(suffix string) func(in, out string) error {
	return func(_, out string) error {
		if !strings.HasSuffix(out, suffix) {
			return fmt.Errorf("it does not end in %s", suffix)
		}
		return nil
	}
}
