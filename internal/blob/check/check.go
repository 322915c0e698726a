// Package check says whether a store keeps the promises that the artifact repository is built on. The conformance suite
// runs these checks against every driver, and an operator runs them against a real bucket before trusting it.
package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tranship/tranship/internal/blob"
)

// Features are what a store may lack without being refused.
type Features struct {
	// Locks: the store honours PutOptions.RetainUntil. Without it, the option must be refused.
	Locks bool
}

// Check is one promise.
type Check struct {
	Name string // short, lower case, for a table: "create-only race"
	Why  string // what would break without it
	// Run returns an error that says how the store broke the promise. It leaves objects only in the given bucket, which
	// must be empty and its alone.
	Run func(ctx context.Context, b *blob.Bucket) error
}

// Result is the outcome of one check.
type Result struct {
	Check Check
	Took  time.Duration
	Err   error // nil when the store kept the promise
}

// Checks lists all checks for a store with these features, the cheap ones first.
func Checks(f Features) []Check {
	all := []Check{
		{"write and read", "everything", writeAndRead},
		{"ranges", "a restore reads single chunks out of packs", ranges},
		{"not found", "absence is a fact that decisions rest on", notFound},
		{"create-only", "what was written is never overwritten", createOnly},
		{"create-only race", "of two writers of a manifest exactly one may commit", createOnlyRace},
		{"wrong checksum refused", "damage in transit must not be stored", wrongChecksum},
		{"delete", "a collector that was killed deletes again", deleteTwice},
		{"list order", "a collector merges sorted listings", listOrder},
		{"list sees completed writes", "a collector that misses a lease deletes live data", listSeesWrites},
		{"long listing", "listings do not end at the first page", longListing},
		{"cancellation", "a worker that lost its claim must stop", cancellation},
	}
	if f.Locks {
		// No "create after delete" here: a store that keeps versions may count the hidden one as existing, and nothing
		// depends on it.
		return append(all, Check{"lock", "a stolen credential must not be able to destroy the copies", lockHolds})
	}
	return append(all,
		Check{"create after delete", "a name that was freed can be used again", createAgain},
		Check{"lock refused", "a lock that is silently not there is worse than none", lockRefused})
}

// Run runs the checks one after the other, each in a folder of its own below b, and removes what they left. It ends when
// ctx does.
func Run(ctx context.Context, b *blob.Bucket, f Features) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		for i, c := range Checks(f) {
			if ctx.Err() != nil {
				return
			}
			folder := b.Sub(fmt.Sprintf("check-%02d", i))
			start := time.Now() //nolint:forbidigo // how long a check took is told to people, and decides nothing
			err := c.Run(ctx, folder)
			if cleared := removeAll(ctx, folder); err == nil && cleared != nil && !f.Locks {
				err = fmt.Errorf("clean up: %w", cleared)
			}
			if !yield(Result{Check: c, Took: time.Since(start), Err: err}) {
				return
			}
		}
	}
}

// removeAll deletes all objects of b.
func removeAll(ctx context.Context, b *blob.Bucket) error {
	var keys []blob.Key
	for info, err := range b.List(ctx, "") {
		if err != nil {
			return err
		}
		keys = append(keys, info.Key)
	}
	return each(len(keys), func(i int) error { return b.Delete(ctx, keys[i]) })
}

// each calls do for 0 to n-1, some at a time, and joins the errors.
func each(n int, do func(i int) error) error {
	const parallel = 16
	next := make(chan int)
	errs := make(chan error)
	for range parallel {
		go func() {
			var failed error
			for i := range next {
				if failed == nil {
					failed = do(i)
				}
			}
			errs <- failed
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	var all []error
	for range parallel {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// same reads k and compares it with want.
func same(ctx context.Context, b *blob.Bucket, k blob.Key, want []byte) error {
	got, err := b.Get(ctx, k, blob.MaxObject)
	if err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("object %s: read %d bytes that differ from the %d written", k, len(got), len(want))
	}
	return nil
}

// wants returns an error unless err wraps target.
func wants(what string, err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return fmt.Errorf("%s: got %v, want: %w", what, err, target) //nolint:errorlint // what came is told, what was wanted is wrapped
}
