package artifact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const (
	formatKey = blob.Key("format.json")
	writerKey = blob.Key("k/writer")

	formatName    = "tranship-repository"
	formatVersion = 1
	maxFormat     = 64 << 10
)

// format is format.json: what a reader must know before it reads anything else. It holds no secret.
type format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Requires lists features that a reader must know in addition to the version.
	Requires    []string      `json:"requires"`
	Application string        `json:"application"`
	Trust       Trust         `json:"trust"`
	Keyset      string        `json:"keyset"`
	PublicKey   PublicKey     `json:"publicKey"`
	WriterKey   string        `json:"writerKey"` // fingerprint
	Chunker     chunkerParams `json:"chunker"`
	// MAC is keyed with a key that follows from the writer key.
	MAC string `json:"mac"`
}

// newFormat returns the same format for the same parameters, so that every writer would write the same bytes.
func newFormat(c Config, public PublicKey, w *WriterKey) *format {
	return &format{
		Format: formatName, Version: formatVersion, Requires: []string{},
		Application: c.Application, Trust: c.Trust, Keyset: keysetID(public, w.Fingerprint()),
		PublicKey: public, WriterKey: w.Fingerprint(), Chunker: defaultChunker,
	}
}

// keysetID names the keys of a repository.
func keysetID(public PublicKey, writer string) string {
	var out [16]byte
	blake3.DeriveKey("tranship 1 keyset", append(public.Bytes(), writer...), out[:])
	return hex.EncodeToString(out[:])
}

func (f *format) encode(keys *derived) ([]byte, error) {
	c := *f
	c.MAC = ""
	b, err := json.Marshal(&c)
	if err != nil {
		return nil, fault.New(fault.Permanent, "artifact.encode", "encode %s: %w", formatKey, err)
	}
	mac := keyedHash(&keys.format, b)
	c.MAC = base64.StdEncoding.EncodeToString(mac[:])
	if b, err = json.Marshal(&c); err != nil {
		return nil, fault.New(fault.Permanent, "artifact.encode", "encode %s: %w", formatKey, err)
	}
	return append(b, '\n'), nil
}

// parseFormat reads format.json without verifying its MAC. The version is looked at before anything else, so that a
// newer format gets the right error.
func parseFormat(b []byte) (*format, error) {
	var head struct {
		Format   string   `json:"format"`
		Version  int      `json:"version"`
		Requires []string `json:"requires"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, corrupt(formatKey, "%w", err)
	}
	if head.Format != formatName {
		return nil, corrupt(formatKey, "format %.40q is not %q", head.Format, formatName)
	}
	if head.Version != formatVersion || len(head.Requires) > 0 {
		return nil, fault.New(fault.Permanent, "format.version",
			"the repository has format version %d with features %.100q; this program reads version %d without features", head.Version, head.Requires, formatVersion).
			WithHint("use a newer version of this program")
	}
	var f format
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, corrupt(formatKey, "%w", err)
	}
	if err := f.Trust.Validate(); err != nil {
		return nil, corrupt(formatKey, "%w", err)
	}
	if f.Keyset != keysetID(f.PublicKey, f.WriterKey) {
		return nil, corrupt(formatKey, "its keyset does not belong to its keys")
	}
	if err := f.Chunker.validate(); err != nil {
		return nil, corrupt(formatKey, "%w", err)
	}
	return &f, nil
}

// verify checks that the bytes are those that a holder of the writer key wrote.
func (f *format) verify(keys *derived, stored []byte) error {
	want, err := f.encode(keys)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, stored) {
		return corrupt(formatKey, "its authentication code is wrong")
	}
	return nil
}
