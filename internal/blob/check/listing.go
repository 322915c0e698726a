package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// keysOf lists b into memory.
func keysOf(ctx context.Context, b *blob.Bucket, prefix string) ([]blob.Key, error) {
	var keys []blob.Key
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %q: %w", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

func listOrder(ctx context.Context, b *blob.Bucket) error {
	// "-" and "." sort before "/", digits and letters after it: a walk that sorts names instead of keys gets these wrong.
	keys := []blob.Key{
		"A", "a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a/c/e", "a0", "ab/c", "abc", "b!", "b~", "c/1", "c/10", "c/2", "~",
	}
	for i, k := range slices.Backward(keys) {
		if err := b.Put(ctx, k, pattern(i), blob.PutOptions{}); err != nil {
			return err
		}
	}
	for _, prefix := range []string{"", "a", "a/", "a/c", "a/c/", "a/c/d", "a/c/d/", "a-", "ab", "c/1", "b", "nothing", "nothing/here", "~", "z/", "a."} {
		var want []blob.Key
		for _, k := range keys {
			if strings.HasPrefix(string(k), prefix) {
				want = append(want, k)
			}
		}
		got, err := keysOf(ctx, b, prefix)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("list %q: got %q, want %q", prefix, got, want)
		}
	}
	for info, err := range b.List(ctx, "") {
		if err != nil {
			return err
		}
		if want := int64(slices.Index(keys, info.Key)); info.Size != want || info.Modified.IsZero() {
			return fmt.Errorf("list says %+v, want %d bytes and a time", info, want)
		}
	}
	return nil
}

func listSeesWrites(ctx context.Context, b *blob.Bucket) error {
	const objects = 32
	for i := range objects {
		k := blob.Key(fmt.Sprintf("o/%03d", i))
		if err := b.Put(ctx, k, pattern(1), blob.PutOptions{IfNotExists: true}); err != nil {
			return err
		}
		if i%4 == 3 {
			if err := b.Delete(ctx, blob.Key(fmt.Sprintf("o/%03d", i-1))); err != nil {
				return err
			}
		}
		got, err := keysOf(ctx, b, "o/")
		if err != nil {
			return err
		}
		if want := i + 1 - (i+1)/4; len(got) != want {
			return fmt.Errorf("after %d writes and %d deletes the listing has %d objects, want %d", i+1, (i+1)/4, len(got), want)
		}
		if !slices.Contains(got, k) {
			return fmt.Errorf("the listing after the write of %s does not have it", k)
		}
	}
	return nil
}

func longListing(ctx context.Context, b *blob.Bucket) error {
	const objects = 1100 // more than one page of S3
	key := func(i int) blob.Key { return blob.Key(fmt.Sprintf("long/%05d", i)) }
	if err := each(objects, func(i int) error { return b.Put(ctx, key(i), []byte{1}, blob.PutOptions{}) }); err != nil {
		return err
	}
	n := 0
	for info, err := range b.List(ctx, "long/") {
		if err != nil {
			return err
		}
		if info.Key != key(n) {
			return fmt.Errorf("object %d of the listing is %s, want %s", n, info.Key, key(n))
		}
		n++
	}
	if n != objects {
		return fmt.Errorf("the listing has %d objects, want %d", n, objects)
	}
	for range b.List(ctx, "long/") { //nolint:errcheck // the error comes as a value of the sequence
		break // the stream must take it when nobody wants the rest
	}
	return nil
}

func cancellation(ctx context.Context, b *blob.Bucket) error {
	if err := b.Put(ctx, "object", pattern(100), blob.PutOptions{}); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, getErr := b.Get(ended, "object", 1000)
	_, statErr := b.Stat(ended, "object")
	_, listErr := keysOf(ended, b, "")
	for op, err := range map[string]error{
		"put":    b.Put(ended, "other", pattern(100), blob.PutOptions{}),
		"get":    getErr,
		"stat":   statErr,
		"list":   listErr,
		"delete": b.Delete(ended, "object"),
	} {
		if err := wants(op+" with a canceled context", err, context.Canceled); err != nil {
			return err
		}
	}
	if _, err := b.Stat(ctx, "other"); !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("a put with a canceled context left an object (stat: %v)", err) //nolint:errorlint // mostly nil
	}
	if err := same(ctx, b, "object", pattern(100)); err != nil {
		return err
	}
	during, cancel := context.WithCancel(ctx)
	defer cancel()
	big := pattern(5 << 20)
	if err := b.Put(ctx, "big", big, blob.PutOptions{}); err != nil {
		return err
	}
	r, err := b.Open(during, "big", 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	buf := make([]byte, 1024)
	if _, err := r.Read(buf); err != nil {
		return err
	}
	cancel()
	for read := 0; read <= len(big); {
		n, err := r.Read(buf)
		if err != nil {
			return wants("read after cancel", err, context.Canceled)
		}
		read += n
	}
	return fmt.Errorf("a reader went on after its context was canceled")
}

func lockHolds(ctx context.Context, b *blob.Bucket) error {
	until := time.Now().Add(time.Minute) //nolint:forbidigo // the store compares it with its own clock
	if err := b.Put(ctx, "locked", pattern(10), blob.PutOptions{RetainUntil: until}); err != nil {
		return fmt.Errorf("put with retention: %w", err)
	}
	// A store with versions hides the object behind a delete marker; one without must refuse.
	info, err := b.Stat(ctx, "locked")
	if err != nil {
		return err
	}
	if err := b.Delete(ctx, "locked"); err != nil && !fault.Is(err, fault.Denied) {
		return fmt.Errorf("delete of a locked object: %w, want denied or hidden", err)
	} else if err == nil && info.Version == "" {
		return fmt.Errorf("a locked object without versions was deleted")
	}
	return nil
}

func lockRefused(ctx context.Context, b *blob.Bucket) error {
	err := b.Put(ctx, "locked", pattern(10), blob.PutOptions{RetainUntil: time.Now().Add(time.Minute)}) //nolint:forbidigo // the store compares it with its own clock
	return wants("put with retention", err, blob.ErrUnsupported)
}
