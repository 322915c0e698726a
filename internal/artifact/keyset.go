package artifact

import (
	"crypto/hkdf"
	"crypto/sha256"

	"github.com/zeebo/blake3"
)

// chunkID is the keyed digest of a chunk's plain digest.
type chunkID [32]byte

// derived are the keys that follow from the writer key, for one application.
type derived struct {
	id     [keySize]byte // names chunks
	index  [keySize]byte // seals index segments, footers, recipes and checkpoints
	gear   [keySize]byte // moves the cuts
	root   [keySize]byte // keys the root digests of captures made here
	format [keySize]byte // authenticates format.json
}

func deriveKeys(w *WriterKey, application string) *derived {
	return &derived{
		id:     expand(w.b[:], "id", application),
		index:  expand(w.b[:], "index", application),
		gear:   expand(w.b[:], "gear", application),
		root:   expand(w.b[:], "root", application),
		format: expand(w.b[:], "format", application),
	}
}

// expand is HKDF-SHA256 without salt. purpose has no zero byte, so the parts of info cannot be confused.
func expand(secret []byte, purpose, subject string) [keySize]byte {
	return expandSalted(secret, nil, "tranship 1\x00"+purpose+"\x00"+subject)
}

func expandSalted(secret, salt []byte, info string) [keySize]byte {
	b, err := hkdf.Key(sha256.New, secret, salt, info, keySize)
	if err != nil {
		panic("artifact: HKDF of 32 bytes failed: " + err.Error()) // only for lengths above 255 hashes
	}
	return [keySize]byte(b)
}

// chunk names the chunk of that plain digest.
func (d *derived) chunk(plain Digest) chunkID { return chunkID(keyedHash(&d.id, plain[:])) }

func keyedHash(key *[keySize]byte, parts ...[]byte) (sum Digest) {
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic("artifact: keyed BLAKE3: " + err.Error()) // only for keys of another length
	}
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}
