package blob

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/tranship/tranship/internal/fault"
)

// Prefixed returns the part of s below prefix as a store of its own: keys lose prefix and "/". It refuses invalid keys,
// so that none reaches a driver. It panics when the prefix is neither empty nor a valid key.
func Prefixed(s Store, prefix string) Store {
	if prefix != "" {
		if err := Key(prefix).Validate(); err != nil {
			panic("blob: prefix: " + err.Error())
		}
		prefix += "/"
	}
	if p, ok := s.(*prefixed); ok {
		s, prefix = p.store, p.prefix+prefix
	}
	return &prefixed{store: s, prefix: prefix}
}

// prefixed maps keys; prefix is empty or ends with "/".
type prefixed struct {
	store  Store
	prefix string
}

func (p *prefixed) key(k Key) (Key, error) {
	// The key is checked before it is joined: "../x" must not become a valid key of somebody else.
	if err := k.Validate(); err != nil {
		return "", err
	}
	full := Key(p.prefix) + k
	return full, full.Validate()
}

func (p *prefixed) Put(ctx context.Context, k Key, r io.ReadSeeker, o PutOptions) error {
	full, err := p.key(k)
	if err != nil {
		return err
	}
	return p.store.Put(ctx, full, r, o)
}

func (p *prefixed) Get(ctx context.Context, k Key, off, n int64) (io.ReadCloser, error) {
	full, err := p.key(k)
	if err != nil {
		return nil, err
	}
	return p.store.Get(ctx, full, off, n)
}

func (p *prefixed) Stat(ctx context.Context, k Key) (Info, error) {
	full, err := p.key(k)
	if err != nil {
		return Info{}, err
	}
	info, err := p.store.Stat(ctx, full)
	info.Key = k
	return info, err
}

func (p *prefixed) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := ValidatePrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		for info, err := range p.store.List(ctx, p.prefix+prefix) {
			if err == nil {
				rest, ok := strings.CutPrefix(string(info.Key), p.prefix)
				if !ok {
					err = fault.New(fault.Permanent, "blob.list", "list objects: the store returned %q, which is outside %q", info.Key, p.prefix)
				}
				info.Key = Key(rest)
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

func (p *prefixed) Delete(ctx context.Context, k Key) error {
	full, err := p.key(k)
	if err != nil {
		return err
	}
	return p.store.Delete(ctx, full)
}

// ValidatePrefix returns an error when no valid key can start with prefix.
func ValidatePrefix(prefix string) error {
	// What follows the last "/" may be cut anywhere, so only the segments before it must be whole.
	whole, partial := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		whole, partial = prefix[:i], prefix[i+1:]
		if err := Key(whole).Validate(); err != nil {
			return fmt.Errorf("list prefix: %w", err)
		}
	}
	if partial == "" || partial == "." || partial == ".." {
		return nil
	}
	if err := Key(prefix).Validate(); err != nil {
		return fmt.Errorf("list prefix: %w", err)
	}
	return nil
}
