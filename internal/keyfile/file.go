package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tranship/tranship/internal/fault"
)

// Key is a secret key: a LocationKey, WriterKey, MaskingKey or SigningKey.
type Key interface {
	// ID returns the id, which is safe to show.
	ID() string
	// Kind says what the key is for.
	Kind() Kind

	secret() (string, error) // the text of the key
	note() string            // what the file says about the key to a reader; not secret
}

// Encode returns the content of the key's file. It is secret.
func Encode(k Key) ([]byte, error) {
	text, err := k.secret()
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "# %s\n%s\n", k.note(), text), nil
}

// Write creates the key's file, readable by its owner only. A file that is there already is left alone: a conflict with code
// CodeExists, because a key that is overwritten takes everything with it that was sealed to it. The file is durable when Write
// returns.
func Write(path string, k Key) (err error) {
	text, err := Encode(k)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, CodeExists, "writing a %s: %w", k.Kind(), err).
			WithHint("choose another name, or move the old key away if nothing needs it any more")
	}
	if err != nil {
		return fmt.Errorf("writing a %s: %w", k.Kind(), err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// Half a key would stand in the way of the next attempt.
		return fmt.Errorf("writing a %s: %w", k.Kind(), errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Description is what may be shown of a key.
type Description struct {
	Kind   Kind   `json:"kind"`
	ID     string `json:"id"`
	Public string `json:"publicKey,omitempty"` // text of the public half, for key pairs
}

// Describe says which key a text holds, of whatever kind.
func Describe(text []byte) (Description, error) {
	line, err := keyLine(text)
	if err != nil {
		return Description{}, fault.New(fault.Permanent, CodeMalformed, "%w where a key is expected", err)
	}
	kind, _, _ := classify(line)
	d := Description{Kind: kind}
	switch kind {
	case LocationPrivate:
		k, err := ParseLocation(text)
		if err != nil {
			return Description{}, err
		}
		d.ID, d.Public = k.ID(), k.Public().String()
	case SigningPrivate:
		k, err := ParseSigning(text)
		if err != nil {
			return Description{}, err
		}
		d.ID, d.Public = k.ID(), k.Public().String()
	case Writer:
		k, err := ParseWriter(text)
		if err != nil {
			return Description{}, err
		}
		d.ID = k.ID()
	case Masking:
		k, err := ParseMasking(text)
		if err != nil {
			return Description{}, err
		}
		d.ID = k.ID()
	case LocationPublic:
		k, err := ParseLocationPublic(line)
		if err != nil {
			return Description{}, err
		}
		d.ID, d.Public = k.ID(), k.String()
	case SigningPublic:
		k, err := ParseSigningPublic(line)
		if err != nil {
			return Description{}, err
		}
		d.ID, d.Public = k.ID(), k.String()
	default:
		return Description{}, fault.New(fault.Permanent, CodeMalformed, "text that is no Tranship key")
	}
	return d, nil
}

// printID is what every secret key prints as.
func printID(w io.Writer, k Key) { fmt.Fprintf(w, "%s %s", k.Kind(), k.ID()) }
