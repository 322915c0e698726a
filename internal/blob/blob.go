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
	"hash/crc32"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/fault"
)

// Sentinels that every driver returns, wrapped, for the situations named.
var (
	// ErrNotFound: no object has that key.
	ErrNotFound = errors.New("object not found")
	// ErrExists: a create-only Put found an object under the key. The object that was there is unchanged.
	ErrExists = errors.New("object exists already")
	// ErrChecksum: the bytes that arrived are not the bytes that were sent.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrRange: a read starts at or past the end of the object, or its range makes no sense.
	ErrRange = errors.New("range outside the object")
	// ErrTooLarge: an object is larger than MaxObject, or than a reader is prepared to take.
	ErrTooLarge = errors.New("object too large")
	// ErrUnsupported: the store cannot do what an option asks for. Nothing was done.
	ErrUnsupported = errors.New("not supported by this store")
)

// MaxObject is the largest object in bytes that a Put takes, so that every Put is one request.
const MaxObject = 64 << 20

// Key names an object: non-empty segments of printable ASCII without spaces and backslashes, joined by "/", at most 900
// bytes in all and 255 in a segment, no segment "." or "..". No key may continue another one after a "/": a store on a file
// system cannot hold both "a" and "a/b".
type Key string

const (
	maxKey     = 900 // S3 allows 1024; the rest is room for what a gateway adds
	maxSegment = 255 // NAME_MAX of file systems
)

// Validate returns a permanent error that says what is wrong with the key.
func (k Key) Validate() error {
	if k == "" || len(k) > maxKey {
		return fault.New(fault.Permanent, "blob.key", "key %.40q: length must be 1 to %d bytes", string(k), maxKey)
	}
	for segment := range strings.SplitSeq(string(k), "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment {
			return fault.New(fault.Permanent, "blob.key", "key %q: segment %q is not allowed", string(k), segment)
		}
	}
	for i := range len(k) {
		if k[i] <= ' ' || k[i] > '~' || k[i] == '\\' {
			return fault.New(fault.Permanent, "blob.key", "key %q: byte %#x is not allowed", string(k), k[i])
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
	// IfNotExists makes the Put create-only: of several writers exactly one succeeds, the others get ErrExists. Writers
	// that must know which of them won must write different bytes: a Put that was repeated after a lost answer can only
	// recognise its own object by its content.
	IfNotExists bool
	// CRC32C, when not nil, is the CRC-32C (Castagnoli) that the bytes must have: the store refuses others with
	// ErrChecksum. A writer that computed it when it made the bytes is protected from there on.
	CRC32C *uint32
	// RetainUntil locks the object until then. Zero means no lock; a store without locks returns ErrUnsupported.
	RetainUntil time.Time
	// Compliance selects compliance mode for RetainUntil instead of governance mode.
	Compliance bool
}

// Store is what a driver implements. All methods are safe for concurrent use, honour cancellation of ctx, and return
// errors that wrap the sentinels of this package and carry a fault.Class. A driver does not retry: the retry wrapper does.
type Store interface {
	// Put stores all of r, at most MaxObject bytes, under k. It is atomic and durable: a reader sees the whole object or
	// none, also after a crash of either side, and what it saw when Put returned stays. r is read from its start, maybe
	// more than once, and not touched after Put has returned.
	Put(ctx context.Context, k Key, r io.ReadSeeker, o PutOptions) error
	// Get reads n bytes from off, or to the end when n is -1; fewer when the object ends earlier. ErrRange: n is 0, or off
	// is at or past the end (except that reading an empty object from 0 gives no bytes). The reader ends with ctx, verifies
	// what the store allows it to verify, at the latest when it returns io.EOF, and must be closed.
	Get(ctx context.Context, k Key, off, n int64) (io.ReadCloser, error)
	// Stat returns ErrNotFound when the object does not exist.
	Stat(ctx context.Context, k Key) (Info, error)
	// List yields the objects whose keys start with prefix in ascending byte order of the keys, as a stream: it never
	// holds more than one page or directory. The prefix need not end at a "/". An error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes the object. Deleting what does not exist succeeds.
	Delete(ctx context.Context, k Key) error
}

// Castagnoli is the table of CRC-32C.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Rewind returns the number of bytes in r and leaves r at its start, or returns ErrTooLarge. Drivers call it first in Put.
func Rewind(r io.ReadSeeker) (int64, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fault.New(fault.Permanent, "blob.seek", "find the size of the object: %w", err)
	}
	if size > MaxObject {
		return 0, fault.New(fault.Permanent, "blob.too-large", "%w: %d bytes, at most %d", ErrTooLarge, size, MaxObject)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, fault.New(fault.Permanent, "blob.seek", "rewind the object: %w", err)
	}
	return size, nil
}

// ValidateRange returns ErrRange when no object can satisfy a Get of n bytes from off.
func ValidateRange(off, n int64) error {
	if off < 0 || n == 0 || n < -1 {
		return fault.New(fault.Permanent, "blob.range", "%w: %d bytes from %d", ErrRange, n, off)
	}
	return nil
}

// NotFound returns ErrNotFound for k. Drivers use this and the functions below, so that class and code are the same everywhere.
func NotFound(k Key) error {
	return fault.New(fault.NotFound, "blob.not-found", "object %s: %w", k, ErrNotFound)
}

// Exists returns ErrExists for k.
func Exists(k Key) error {
	return fault.New(fault.Conflict, "blob.exists", "object %s: %w", k, ErrExists)
}

// OutOfRange returns ErrRange for a read of k from off.
func OutOfRange(k Key, off int64) error {
	return fault.New(fault.Permanent, "blob.range", "object %s: %w: from %d", k, ErrRange, off)
}

// Corrupt returns ErrChecksum for k. It is transient: most often the bytes were damaged on their way.
func Corrupt(k Key) error {
	return fault.New(fault.Transient, "blob.checksum", "object %s: %w", k, ErrChecksum)
}

// Unsupported returns ErrUnsupported for k and a wish such as "retention".
func Unsupported(k Key, wish string) error {
	return fault.New(fault.Permanent, "blob.unsupported", "object %s: %s: %w", k, wish, ErrUnsupported)
}
