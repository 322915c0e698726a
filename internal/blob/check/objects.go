package check

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// pattern returns n bytes in which every range differs from its neighbours.
func pattern(n int) []byte {
	data := make([]byte, n)
	x := uint32(2463534242)
	for i := range data {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		data[i] = byte(x)
	}
	return data
}

func writeAndRead(ctx context.Context, b *blob.Bucket) error {
	for _, size := range []int{0, 1, 100_000, 5 << 20} {
		k, data := blob.Key(fmt.Sprintf("size/%d", size)), pattern(size)
		if err := b.Put(ctx, k, data, blob.PutOptions{}); err != nil {
			return err
		}
		if err := same(ctx, b, k, data); err != nil {
			return err
		}
		info, err := b.Stat(ctx, k)
		if err != nil {
			return err
		}
		if info.Key != k || info.Size != int64(size) || info.Modified.IsZero() {
			return fmt.Errorf("stat of %s says %+v, want its key, %d bytes and a time", k, info, size)
		}
		if size == 0 {
			continue
		}
		if _, err := b.Get(ctx, k, int64(size)-1); err != nil {
			if err := wants("get with a limit one byte too small", err, blob.ErrTooLarge); err != nil {
				return err
			}
		} else {
			return fmt.Errorf("get with a limit one byte too small returned %d bytes", size)
		}
	}
	if err := b.Put(ctx, "replaced", pattern(10), blob.PutOptions{}); err != nil {
		return err
	}
	if err := b.Put(ctx, "replaced", pattern(20), blob.PutOptions{}); err != nil {
		return fmt.Errorf("replace an object: %w", err)
	}
	return same(ctx, b, "replaced", pattern(20))
}

func ranges(ctx context.Context, b *blob.Bucket) error {
	const size = 1000
	data := pattern(size)
	if err := b.Put(ctx, "object", data, blob.PutOptions{}); err != nil {
		return err
	}
	for _, r := range []struct{ off, n, want int64 }{
		{0, 1, 1}, {0, size, size}, {0, size + 1, size}, {0, -1, size},
		{1, 1, 1}, {1, -1, size - 1}, {500, 250, 250},
		{size - 1, 1, 1}, {size - 1, 2, 1}, {size - 1, -1, 1},
	} {
		got, err := read(ctx, b, "object", r.off, r.n)
		if err != nil {
			return fmt.Errorf("read %d bytes from %d of %d: %w", r.n, r.off, size, err)
		}
		if !bytes.Equal(got, data[r.off:r.off+r.want]) {
			return fmt.Errorf("read %d bytes from %d of %d: got %d bytes, wrong or not %d", r.n, r.off, size, len(got), r.want)
		}
	}
	for _, r := range []struct{ off, n int64 }{{size, 1}, {size, -1}, {size + 1, -1}, {-1, 1}, {0, 0}, {0, -2}} {
		_, err := read(ctx, b, "object", r.off, r.n)
		if err := wants(fmt.Sprintf("read %d bytes from %d of %d", r.n, r.off, size), err, blob.ErrRange); err != nil {
			return err
		}
	}
	_, err := b.Range(ctx, "object", size-1, 2)
	if err := wants("exact range past the end", err, blob.ErrRange); err != nil {
		return err
	}
	if err := b.Put(ctx, "empty", nil, blob.PutOptions{}); err != nil {
		return err
	}
	for _, n := range []int64{-1, 1} {
		if got, err := read(ctx, b, "empty", 0, n); err != nil || len(got) > 0 {
			return fmt.Errorf("read %d bytes from 0 of an empty object: got %d bytes, %v", n, len(got), err) //nolint:errorlint // mostly nil
		}
	}
	return nil
}

func read(ctx context.Context, b *blob.Bucket, k blob.Key, off, n int64) ([]byte, error) {
	r, err := b.Open(ctx, k, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func notFound(ctx context.Context, b *blob.Bucket) error {
	_, err := b.Stat(ctx, "nothing/here")
	if err := wants("stat", err, blob.ErrNotFound); err != nil {
		return err
	}
	if !fault.Is(err, fault.NotFound) {
		return fmt.Errorf("stat: class %q, want %q", fault.ClassOf(err), fault.NotFound)
	}
	_, err = b.Get(ctx, "nothing/here", 10)
	if err := wants("get", err, blob.ErrNotFound); err != nil {
		return err
	}
	_, err = b.Range(ctx, "nothing", 5, 5)
	if err := wants("get of a range", err, blob.ErrNotFound); err != nil {
		return err
	}
	// A folder is not an object.
	if err := b.Put(ctx, "folder/object", pattern(3), blob.PutOptions{}); err != nil {
		return err
	}
	_, err = b.Stat(ctx, "folder")
	return wants("stat of a folder", err, blob.ErrNotFound)
}

func createOnly(ctx context.Context, b *blob.Bucket) error {
	first, second := pattern(1000), pattern(2000)
	if err := b.Put(ctx, "object", first, blob.PutOptions{IfNotExists: true}); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	err := b.Put(ctx, "object", second, blob.PutOptions{IfNotExists: true})
	if err == nil {
		return fmt.Errorf("a create-only write replaced an object: the store ignores If-None-Match or its like")
	}
	if err := wants("create what exists", err, blob.ErrExists); err != nil {
		return err
	}
	if !fault.Is(err, fault.Conflict) {
		return fmt.Errorf("create what exists: class %q, want %q", fault.ClassOf(err), fault.Conflict)
	}
	return same(ctx, b, "object", first)
}

func createOnlyRace(ctx context.Context, b *blob.Bucket) error {
	const rounds, writers = 4, 16
	for round := range rounds {
		k := blob.Key(fmt.Sprintf("race/%d", round))
		content := func(writer int) []byte { return bytes.Repeat([]byte{byte(writer)}, 10_000) }
		won := make([]bool, writers)
		start := make(chan struct{})
		errs := make(chan error, writers)
		for w := range writers {
			go func() {
				<-start
				err := createOnce(ctx, b, k, content(w))
				won[w] = err == nil
				if err != nil {
					err = wants("lose the race", err, blob.ErrExists)
				}
				errs <- err
			}()
		}
		close(start)
		var failed error
		for range writers {
			if err := <-errs; err != nil {
				failed = err
			}
		}
		if failed != nil {
			return failed
		}
		winner, winners := -1, 0
		for w, is := range won {
			if is {
				winner, winners = w, winners+1
			}
		}
		if winners != 1 {
			return fmt.Errorf("%d of %d racing create-only writers won, want exactly one", winners, writers)
		}
		if err := same(ctx, b, k, content(winner)); err != nil {
			return fmt.Errorf("after the race: %w", err)
		}
	}
	return nil
}

// createOnce tries until the store takes a stand: while others write the same key it may ask to come again.
func createOnce(ctx context.Context, b *blob.Bucket, k blob.Key, data []byte) error {
	const attempts = 20
	var err error
	for range attempts {
		err = b.Put(ctx, k, data, blob.PutOptions{IfNotExists: true})
		if err == nil || !fault.ClassOf(err).Retryable() {
			return err
		}
	}
	return err
}

func wrongChecksum(ctx context.Context, b *blob.Bucket) error {
	data := pattern(100_000)
	right := crc32.Checksum(data, blob.Castagnoli)
	wrong := right ^ 1
	err := b.Put(ctx, "wrong", data, blob.PutOptions{CRC32C: &wrong})
	if err == nil {
		return fmt.Errorf("the store took bytes that do not match their checksum")
	}
	if err := wants("put with a wrong checksum", err, blob.ErrChecksum); err != nil {
		return err
	}
	_, err = b.Stat(ctx, "wrong")
	if err := wants("stat of what was refused", err, blob.ErrNotFound); err != nil {
		return err
	}
	if err := b.Put(ctx, "right", data, blob.PutOptions{CRC32C: &right, IfNotExists: true}); err != nil {
		return fmt.Errorf("put with the right checksum: %w", err)
	}
	return same(ctx, b, "right", data)
}

func deleteTwice(ctx context.Context, b *blob.Bucket) error {
	for _, k := range []blob.Key{"a/b/c", "a/b/d"} {
		if err := b.Put(ctx, k, pattern(10), blob.PutOptions{}); err != nil {
			return err
		}
	}
	for range 2 {
		if err := b.Delete(ctx, "a/b/c"); err != nil {
			return err
		}
		_, err := b.Stat(ctx, "a/b/c")
		if err := wants("stat after delete", err, blob.ErrNotFound); err != nil {
			return err
		}
	}
	if err := same(ctx, b, "a/b/d", pattern(10)); err != nil {
		return fmt.Errorf("the neighbour of a deleted object: %w", err)
	}
	return nil
}

func createAgain(ctx context.Context, b *blob.Bucket) error {
	for n := range 3 {
		if err := b.Put(ctx, "object", pattern(n), blob.PutOptions{IfNotExists: true}); err != nil {
			return fmt.Errorf("create, time %d: %w", n+1, err)
		}
		if err := same(ctx, b, "object", pattern(n)); err != nil {
			return err
		}
		if err := b.Delete(ctx, "object"); err != nil {
			return err
		}
	}
	return nil
}
