// Package blob is the port to object stores.
//
// A driver implements Store; everything above uses a Bucket, which adds a prefix and the conveniences that would
// otherwise be written in each driver. Cross-cutting behaviour (retry, observation) is a wrapper of Store.
//
// The repository leans on two properties and refuses a store that lacks them: a create-only Put that exactly one of
// several racing writers wins, and reads and listings that see every completed Put.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Sentinels that every driver returns, wrapped, for the situations named.
var (
	// ErrNotFound: no object has that key.
	ErrNotFound = errors.New("object not found")
	// ErrExists: a create-only Put found an object under the key. The object that was there is unchanged.
	ErrExists = errors.New("object exists already")
	// ErrChecksum: the bytes that arrived are not the bytes that were sent.
	ErrChecksum = errors.New("checksum mismatch")
)

// Key names an object: non-empty segments of printable ASCII without spaces, joined by "/", at most 900 bytes, no
// segment "." or "..".
type Key string

// Validate returns an error that says what is wrong with the key.
func (k Key) Validate() error {
	if k == "" || len(k) > 900 {
		return fmt.Errorf("key %q: length must be 1 to 900 bytes", string(k))
	}
	for segment := range strings.SplitSeq(string(k), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("key %q: segment %q is not allowed", string(k), segment)
		}
	}
	for i := range len(k) {
		if k[i] <= ' ' || k[i] > '~' || k[i] == '\\' {
			return fmt.Errorf("key %q: byte %#x is not allowed", string(k), k[i])
		}
	}
	return nil
}

// Info describes a stored object.
type Info struct {
	Key      Key
	Size     int64     // bytes
	Modified time.Time // by the store's clock
	Version  string    // version id where the store keeps versions, else ""
}

// PutOptions say how an object is written.
type PutOptions struct {
	// IfNotExists makes the Put create-only: of several writers exactly one succeeds, the others get ErrExists.
	IfNotExists bool
	// RetainUntil locks the object until then, where the store and the location support it. Zero means no lock.
	RetainUntil time.Time
	// Compliance selects compliance mode for RetainUntil instead of governance mode.
	Compliance bool
}

// Store is what a driver implements. All methods are safe for concurrent use, honour cancellation of ctx, and return
// errors that wrap the sentinels of this package and carry a fault.Class. A driver does not retry: the retry wrapper does.
type Store interface {
	// Put stores all of r under k. It is atomic: a reader sees the whole object or none, also after a crash of either
	// side. r is read from its start; a wrapper may rewind it and call again.
	Put(ctx context.Context, k Key, r io.ReadSeeker, o PutOptions) error
	// Get reads n bytes from off, or to the end when n is negative. A range that starts past the end is an error. The
	// reader verifies what the store allows it to verify, and must be closed.
	Get(ctx context.Context, k Key, off, n int64) (io.ReadCloser, error)
	// Stat returns ErrNotFound when the object does not exist.
	Stat(ctx context.Context, k Key) (Info, error)
	// List yields the objects whose keys start with prefix in ascending byte order of the keys, as a stream: it never
	// holds more than one page. An error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes the object. Deleting what does not exist succeeds.
	Delete(ctx context.Context, k Key) error
}
