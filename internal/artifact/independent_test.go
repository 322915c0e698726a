package artifact_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"
)

// oldReader reads a repository as FORMAT.md describes it and shares no code with the package.
type oldReader struct {
	t      *testing.T
	dir    string
	keyset string
	trust  string
	hpke   hpke.PrivateKey
	id     []byte
	index  []byte
}

func (r *oldReader) object(key string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, key))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *oldReader) aad(kind, key string) []byte {
	return []byte("tranship 1\x00" + r.keyset + "\x00" + r.trust + "\x00" + kind + "\x00" + key)
}

func (r *oldReader) expand(secret, salt []byte, info string) []byte {
	return must(r.t, func() ([]byte, error) { return hkdf.Key(sha256.New, secret, salt, info, 32) })
}

func (r *oldReader) gcm(key, nonce, sealed, aad []byte) []byte {
	r.t.Helper()
	block := must(r.t, func() (cipher.Block, error) { return aes.NewCipher(key) })
	gcm := must(r.t, func() (cipher.AEAD, error) { return cipher.NewGCM(block) })
	return must(r.t, func() ([]byte, error) { return gcm.Open(nil, nonce, sealed, aad) })
}

func (r *oldReader) open(key []byte, kind, at string, b []byte) []byte {
	r.t.Helper()
	if string(b[:4]) != "TSO1" {
		r.t.Fatalf("%s is not sealed", at)
	}
	return r.gcm(r.expand(key, b[4:36], "tranship 1\x00seal"), make([]byte, 12), b[36:], r.aad(kind, at))
}

func (r *oldReader) openPublic(kind, at string, b []byte) []byte {
	r.t.Helper()
	return must(r.t, func() ([]byte, error) {
		return hpke.Open(r.hpke, hpke.HKDFSHA256(), hpke.AES256GCM(), r.aad(kind, at), b)
	})
}

func (r *oldReader) keyed(key []byte, b []byte) []byte {
	h := must(r.t, func() (*blake3.Hasher, error) { return blake3.NewKeyed(key) })
	_, _ = h.Write(b)
	return h.Sum(nil)
}

func (r *oldReader) decompress(b []byte) []byte {
	d := must(r.t, func() (*zstd.Decoder, error) { return zstd.NewReader(nil) })
	defer d.Close()
	return must(r.t, func() ([]byte, error) { return d.DecodeAll(b, nil) })
}

// stream returns the content of a stream and its digest.
func (r *oldReader) stream(capture, name string) (content, digest []byte) {
	key := "c/" + capture + "/" + name
	b := r.open(r.index, "recipe", key, r.object(key))[1:]
	str := func() string {
		n := binary.BigEndian.Uint16(b)
		s := string(b[2 : 2+n])
		b = b[2+n:]
		return s
	}
	if got := str(); got != name {
		r.t.Errorf("the recipe is that of %s", got)
	}
	str() // chunking
	b = b[3*8:]
	want := b[:32]
	sessions := make([]string, binary.BigEndian.Uint32(b[32:]))
	b = b[36:]
	for i := range sessions {
		sessions[i] = str()
	}
	sum := blake3.Sum256([]byte("tranship 1 stream"))
	for ; len(b) > 0; b = b[51:] {
		chunk := make([]byte, binary.BigEndian.Uint32(b[15:]))
		if b[0]&1 == 0 {
			chunk = r.chunk(sessions[binary.BigEndian.Uint16(b[1:])], b[3:7], binary.BigEndian.Uint32(b[7:]), binary.BigEndian.Uint32(b[11:]), b[19:51])
		}
		plain := blake3.Sum256(chunk)
		if b[0]&1 == 0 && !slices.Equal(r.keyed(r.id, plain[:]), b[19:51]) {
			r.t.Errorf("a chunk of %s does not have its id", name)
		}
		sum = blake3.Sum256(append(sum[:], plain[:]...))
		content = append(content, chunk...)
	}
	if !slices.Equal(sum[:], want) {
		r.t.Errorf("%s has another digest", name)
	}
	return content, sum[:]
}

func (r *oldReader) chunk(session string, pack []byte, offset, length uint32, id []byte) []byte {
	at := "s/" + session + "/key.1"
	secret := r.openPublic("session", at, r.object(at))
	sealed := r.object(fmt.Sprintf("p/%s/%x", session, pack))[offset : offset+length]
	nonce := binary.BigEndian.AppendUint64(slices.Clone(pack), uint64(offset))
	aad := append([]byte("tranship 1\x00"+r.keyset+"\x00"+r.trust+"\x00chunk\x00"), id...)
	packed := r.gcm(r.expand(secret, nil, "tranship 1\x00chunks\x00"), nonce, sealed, aad)
	switch packed[0] {
	case 0:
		return packed[1:]
	case 1:
		return must(r.t, func() ([]byte, error) { return s2.Decode(nil, packed[1:]) })
	case 2:
		return r.decompress(packed[1:])
	}
	r.t.Fatalf("codec %d", packed[0])
	return nil
}

func TestAReaderWrittenFromTheDescriptionReadsTheVectors(t *testing.T) {
	v, _ := readVectors(t)
	private := decode64(t, v.PrivateKey)
	kem := must(t, func() (hpke.KEM, error) { return hpke.NewKEM(binary.BigEndian.Uint16(private)) })
	r := &oldReader{t: t, dir: filepath.Join(vectorDir, "repository")}
	r.hpke = must(t, func() (hpke.PrivateKey, error) { return kem.NewPrivateKey(private[2:]) })
	var format struct{ Keyset, Trust, Application string }
	if err := json.Unmarshal(r.object("format.json"), &format); err != nil {
		t.Fatal(err)
	}
	r.keyset, r.trust = format.Keyset, format.Trust
	writer := r.openPublic("writer", "k/writer", r.object("k/writer"))
	r.id = r.expand(writer, nil, "tranship 1\x00id\x00"+format.Application)
	r.index = r.expand(writer, nil, "tranship 1\x00index\x00"+format.Application)

	var envelope struct {
		PayloadType string
		Payload     []byte
		Signatures  []struct{ Sig []byte }
	}
	at := "c/" + v.Capture + "/manifest.json"
	if err := json.Unmarshal(r.object(at), &envelope); err != nil {
		t.Fatal(err)
	}
	signed := fmt.Sprintf("DSSEv1 %d %s %d %s", len(envelope.PayloadType), envelope.PayloadType, len(envelope.Payload), envelope.Payload)
	if !ed25519.Verify(decode64(t, v.Capturer), []byte(signed), envelope.Signatures[0].Sig) {
		t.Error("the capturer's signature is wrong")
	}
	var statement struct {
		Predicate struct {
			Sealed []byte
			Root   string
		}
	}
	if err := json.Unmarshal(envelope.Payload, &statement); err != nil {
		t.Fatal(err)
	}
	tagged := r.open(r.index, "manifest", at, statement.Predicate.Sealed)
	plain := r.decompress(r.openPublic("manifest", at, tagged[32:]))
	if !slices.Equal(r.keyed(r.id, append([]byte("tranship 1 content"), plain...)), tagged[:32]) {
		t.Error("the tag of the sealed part is wrong")
	}
	var body struct {
		RootKey string
		Streams []struct {
			Label    string
			Artifact struct{ Stream string }
		}
	}
	if err := json.Unmarshal(plain, &body); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(body.Streams, func(a, b struct {
		Label    string
		Artifact struct{ Stream string }
	}) int {
		return slices.Compare([]byte(a.Label), []byte(b.Label))
	})
	root := []byte("tranship 1 root")
	for _, s := range body.Streams {
		content, digest := r.stream(v.Capture, s.Artifact.Stream)
		if sha256Hex(content) != v.Streams[s.Label] {
			t.Errorf("%s reads back differently", s.Label)
		}
		root = append(binary.BigEndian.AppendUint16(root, uint16(len(s.Label))), s.Label...)
		root = append(root, digest...)
	}
	if len(body.Streams) != len(v.Streams) {
		t.Errorf("%d streams, want %d", len(body.Streams), len(v.Streams))
	}
	var rootKey []byte
	if _, err := fmt.Sscanf(body.RootKey, "%x", &rootKey); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("blake3:%x", r.keyed(rootKey, root)); got != statement.Predicate.Root || got != v.Root.String() {
		t.Errorf("root %s, want %s", got, v.Root)
	}
	if got := base64.StdEncoding.EncodeToString(writer); got != v.WriterKey {
		t.Error("the writer key is another one")
	}
}
