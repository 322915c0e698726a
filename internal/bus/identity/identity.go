// Package identity keeps the nkeys with which services connect to the bus: one seed per service, in a file that only its
// owner can read.
package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/tranship/tranship/internal/fault"
)

// ErrMissing: there is no key of this name.
var ErrMissing = errors.New("no such key")

var serviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Identity is the key pair of one service.
type Identity struct {
	service string
	public  string
	pair    nkeys.KeyPair
}

// Service returns the name of the service.
func (i *Identity) Service() string { return i.service }

// PublicKey returns the public nkey, which is no secret.
func (i *Identity) PublicKey() string { return i.public }

// Sign signs the nonce of a server.
func (i *Identity) Sign(nonce []byte) ([]byte, error) { return i.pair.Sign(nonce) }

// Path is where the seed of a service lies in a directory of keys.
func Path(dir, service string) string { return filepath.Join(dir, service+".nk") }

// Load reads the key of a service. A file that others may read is refused, a missing one is ErrMissing.
func Load(dir, service string) (*Identity, error) {
	if !serviceName.MatchString(service) {
		return nil, fault.New(fault.Permanent, "key.name", "service %q is not a DNS label", service)
	}
	path := Path(dir, service)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "key.missing", "load the key of %s from %s: %w", service, path, ErrMissing).
			WithHint("create it with: tranship keys generate --service %s", service)
	}
	if err != nil {
		return nil, fmt.Errorf("load the key of %s: %w", service, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Denied, "key.mode", "the key %s can be read by others (mode %04o)", path, info.Mode().Perm()).
			WithHint("run: chmod 600 %s", path)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load the key of %s: %w", service, err)
	}
	return parse(service, path, seed)
}

// PublicPath is where the public half of a key lies, for a server that is to know whom to let in and nothing more.
func PublicPath(dir, service string) string { return Path(dir, service) + ".pub" }

// PublicKey returns the public nkey of a service: from its public half where that lies in the directory, else from its
// seed. A missing one is ErrMissing.
func PublicKey(dir, service string) (string, error) {
	text, err := os.ReadFile(PublicPath(dir, service))
	if errors.Is(err, fs.ErrNotExist) {
		id, err := Load(dir, service)
		if err != nil {
			return "", err
		}
		return id.PublicKey(), nil
	}
	if err != nil {
		return "", fmt.Errorf("load the public key of %s: %w", service, err)
	}
	public := strings.TrimSpace(string(text))
	if !nkeys.IsValidPublicUserKey(public) {
		return "", fault.New(fault.Permanent, "key.invalid", "%s does not hold the public nkey of a user", PublicPath(dir, service))
	}
	return public, nil
}

// LoadOrCreate reads the key of a service, or creates directory and key when they do not exist. Of several processes that
// create at once, all get the same key.
func LoadOrCreate(dir, service string) (*Identity, error) {
	id, err := Load(dir, service)
	if !errors.Is(err, ErrMissing) {
		return id, err
	}
	if err := create(dir, service); err != nil {
		return nil, fmt.Errorf("create the key of %s: %w", service, err)
	}
	return Load(dir, service)
}

// create writes a new seed beside its final name and links it into place, so that nobody reads half a seed and nobody
// replaces one.
func create(dir, service string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	defer wipe(seed)
	f, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(append(seed, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), Path(dir, service)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil // somebody else's, which counts
		}
		return err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return err
	}
	return os.WriteFile(PublicPath(dir, service), []byte(public+"\n"), 0o644)
}

func parse(service, path string, seed []byte) (*Identity, error) {
	defer wipe(seed)
	pair, err := nkeys.ParseDecoratedUserNKey(seed)
	if err != nil { // its text could quote the file
		return nil, fault.New(fault.Permanent, "key.invalid", "%s does not hold the seed of a user nkey", path)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("derive the public key of %s: %w", service, err)
	}
	return &Identity{service: service, public: public, pair: pair}, nil
}

func wipe(b []byte) { clear(b) }
