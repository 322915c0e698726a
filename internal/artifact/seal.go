package artifact

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"crypto/rand"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/tranship/tranship/internal/blob"
)

// A sealed object is magic | salt | AES-256-GCM ciphertext. The key is derived from the sealing key and the salt and used
// once, so the nonce is zero. What it is, where it stands and which keyset and trust it belongs to are authenticated.
const (
	sealMagic = "TSO1"
	saltSize  = 32
	tagSize   = 16
	sealExtra = len(sealMagic) + saltSize + tagSize
)

// kind says what a sealed object is, so that one cannot be taken for another.
type kind string

const (
	kindFooter     kind = "footer"
	kindIndex      kind = "index"
	kindDigests    kind = "digests"
	kindRecipe     kind = "recipe"
	kindCheckpoint kind = "checkpoint"
	kindStep       kind = "step"
	kindPrivate    kind = "private"
	kindSession    kind = "session"
	kindWriter     kind = "writer"
	kindManifest   kind = "manifest"
)

// domain is what everything sealed in a repository is bound to.
type domain struct {
	keyset string
	trust  Trust
}

func (d domain) aad(k kind, at blob.Key) []byte {
	return fmt.Appendf(nil, "tranship 1\x00%s\x00%s\x00%s\x00%s", d.keyset, d.trust, k, at)
}

func newGCM(key *[keySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("artifact: AES: " + err.Error()) // only for keys of another length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("artifact: GCM: " + err.Error()) // only for ciphers of another block size
	}
	return gcm
}

var zeroNonce [12]byte

// seal appends the sealed plaintext to dst.
func (d domain) seal(dst []byte, key *[keySize]byte, k kind, at blob.Key, plaintext []byte) []byte {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	once := expandSalted(key[:], salt[:], "tranship 1\x00seal")
	dst = append(append(dst, sealMagic...), salt[:]...)
	return newGCM(&once).Seal(dst, zeroNonce[:], plaintext, d.aad(k, at))
}

// open returns the plaintext of what seal wrote.
func (d domain) open(key *[keySize]byte, k kind, at blob.Key, sealed []byte) ([]byte, error) {
	if len(sealed) < sealExtra || string(sealed[:len(sealMagic)]) != sealMagic {
		return nil, corrupt(at, "it is not a sealed %s", k)
	}
	salt, body := sealed[len(sealMagic):len(sealMagic)+saltSize], sealed[len(sealMagic)+saltSize:]
	once := expandSalted(key[:], salt, "tranship 1\x00seal")
	plaintext, err := newGCM(&once).Open(nil, zeroNonce[:], body, d.aad(k, at))
	if err != nil {
		return nil, corrupt(at, "the sealed %s does not open", k)
	}
	return plaintext, nil
}

// sealTo seals plaintext to a public key.
func (d domain) sealTo(p PublicKey, k kind, at blob.Key, plaintext []byte) ([]byte, error) {
	b, err := hpke.Seal(p.key, hpke.HKDFSHA256(), hpke.AES256GCM(), d.aad(k, at), plaintext)
	if err != nil {
		return nil, fmt.Errorf("seal the %s %s: %w", k, at, err)
	}
	return b, nil
}

// openWith opens what sealTo wrote.
func (d domain) openWith(p *PrivateKey, k kind, at blob.Key, sealed []byte) ([]byte, error) {
	b, err := hpke.Open(p.key, hpke.HKDFSHA256(), hpke.AES256GCM(), d.aad(k, at), sealed)
	if err != nil {
		return nil, corrupt(at, "the %s does not open with the private key %s", k, p.public.Fingerprint())
	}
	return b, nil
}

// maxSealed is the largest plaintext of a sealed object; the seal must fit into an object as well.
const maxSealed = blob.MaxObject - 64<<10

// compact and expandCompact shrink JSON before it is sealed; sizes of sealed JSON tell little, and less this way.
func compact(b []byte) []byte { return jsonEncoder.EncodeAll(b, nil) }

func expandCompact(at blob.Key, b []byte) ([]byte, error) {
	out, err := jsonDecoder.DecodeAll(b, nil)
	if err != nil {
		return nil, corrupt(at, "its compression is wrong: %w", err)
	}
	return out, nil
}

// Both are safe for concurrent use of their …All methods.
var (
	jsonEncoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true)))
	jsonDecoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxSealed)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("artifact: " + err.Error()) // options are constants
	}
	return v
}
