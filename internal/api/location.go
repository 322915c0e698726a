package api

import (
	"strings"

	"github.com/tranship/tranship/internal/keyfile"
)

// Location is an object store with a prefix, a trust and keys. It holds captures of its own trust only.
type Location struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       LocationSpec `json:"spec"`
}

// LocationSpec says where a location is and who may read it. Exactly one store (s3 or file) is set.
type LocationSpec struct {
	Trust        Trust         `json:"trust" jsonschema:"enum=raw,enum=masked" jsonschema_description:"What the location holds: raw captures or masked ones, never both."`
	Region       string        `json:"region,omitempty" jsonschema_description:"Where the data lies."`
	S3           *S3Store      `json:"s3,omitempty" jsonschema_description:"A bucket of Amazon S3 or of a compatible store."`
	File         *FileStore    `json:"file,omitempty" jsonschema_description:"A directory."`
	Encryption   Encryption    `json:"encryption" jsonschema_description:"Keys of the location."`
	Immutability *Immutability `json:"immutability,omitempty" jsonschema_description:"Object lock of everything that is written."`
	Signers      []Signer      `json:"signers,omitempty" jsonschema_description:"Keys whose signatures on a manifest are trusted, by role."`
	ReplicaOf    string        `json:"replicaOf,omitempty" jsonschema_description:"Location whose keys this one shares: captures are copied there without being opened."`
}

// S3Store is a prefix of a bucket.
type S3Store struct {
	Bucket      string         `json:"bucket" jsonschema_description:"Name of the bucket."`
	Prefix      string         `json:"prefix,omitempty" jsonschema_description:"Prefix of every key, without slashes at its ends."`
	Endpoint    string         `json:"endpoint,omitempty" jsonschema_description:"URL of a compatible store; Amazon's when absent."`
	Region      string         `json:"region,omitempty" jsonschema_description:"Region that requests are signed for; the location's region when absent."`
	PathStyle   bool           `json:"pathStyle,omitempty" jsonschema_description:"Name the bucket in the path instead of the host."`
	Credentials *S3Credentials `json:"credentials,omitempty" jsonschema_description:"Static credentials; the worker's own identity when absent."`
}

// S3Credentials are references to static credentials.
type S3Credentials struct {
	AccessKeyID     SecretRef  `json:"accessKeyID" jsonschema_description:"Access key id."`
	SecretAccessKey SecretRef  `json:"secretAccessKey" jsonschema_description:"Secret access key."`
	SessionToken    *SecretRef `json:"sessionToken,omitempty" jsonschema_description:"Session token of temporary credentials."`
}

// FileStore is a directory.
type FileStore struct {
	Path string `json:"path" jsonschema_description:"Directory, relative to the worker's working directory or absolute."`
}

// Encryption names the keys of a location. A worker without the private key can write and not read; one without the
// writer key can neither.
type Encryption struct {
	PublicKey  string     `json:"publicKey" jsonschema_description:"Public key of the location (tspub1…)."`
	PrivateKey *SecretRef `json:"privateKey,omitempty" jsonschema_description:"Private key; only workers that must read have it."`
	WriterKey  *SecretRef `json:"writerKey,omitempty" jsonschema_description:"Writer key; every worker that writes has it."`
}

// Immutability is an object lock.
type Immutability struct {
	Mode LockMode `json:"mode" jsonschema:"enum=governance,enum=compliance" jsonschema_description:"governance can be lifted by an administrator of the store, compliance by nobody."`
	Days int      `json:"days" jsonschema:"minimum=1" jsonschema_description:"Days that an object is locked."`
}

// LockMode is how firmly an object is locked.
type LockMode string

// The modes of object lock.
const (
	LockGovernance LockMode = "governance"
	LockCompliance LockMode = "compliance"
)

// Signer is a key whose signature is trusted for one role.
type Signer struct {
	Role      SignerRole `json:"role" jsonschema:"enum=capturer,enum=masker,enum=verifier,enum=transferer,enum=restorer" jsonschema_description:"Service whose statements the key signs."`
	PublicKey string     `json:"publicKey" jsonschema_description:"Public key of the signer (tssig1…)."`
}

// SignerRole is the service that a signing key belongs to.
type SignerRole string

// The roles that sign. A masked manifest carries the masker's signature and the verifier's; a restorer signs that what it
// restored equals the capture.
const (
	SignerCapturer   SignerRole = "capturer"
	SignerMasker     SignerRole = "masker"
	SignerVerifier   SignerRole = "verifier"
	SignerTransferer SignerRole = "transferer"
	SignerRestorer   SignerRole = "restorer"
)

// Default sets tenant and type.
func (r *Location) Default() { defaultMeta(&r.TypeMeta, KindLocation, &r.ObjectMeta) }

// Validate checks the store, the keys and the signers.
func (r *Location) Validate() FieldErrors {
	errs := validateMeta(&r.ObjectMeta)
	s := &r.Spec
	requireOneOf(&errs, "spec.trust", s.Trust, TrustRaw, TrustMasked)
	if requireExactlyOne(&errs, "spec", choice{"s3", s.S3 != nil}, choice{"file", s.File != nil}) {
		if s.S3 != nil {
			s.S3.validate(&errs, "spec.s3")
		} else {
			requireText(&errs, "spec.file.path", s.File.Path)
		}
	}
	s.Encryption.validate(&errs, "spec.encryption")
	if i := s.Immutability; i != nil {
		requireOneOf(&errs, "spec.immutability.mode", i.Mode, LockGovernance, LockCompliance)
		if i.Days < 1 {
			errs.add("spec.immutability.days", "must be at least 1")
		}
	}
	validateSigners(&errs, "spec.signers", s)
	optionalLabel(&errs, "spec.replicaOf", s.ReplicaOf)
	if s.ReplicaOf != "" && s.ReplicaOf == r.Name {
		errs.add("spec.replicaOf", "a location cannot be a replica of itself")
	}
	return errs
}

func (s *S3Store) validate(errs *FieldErrors, at string) {
	requireText(errs, child(at, "bucket"), s.Bucket)
	if s.Prefix != "" && !localPath(s.Prefix) {
		errs.add(child(at, "prefix"), "must be a path without .. and a leading /")
	}
	if strings.HasSuffix(s.Prefix, "/") {
		errs.add(child(at, "prefix"), "must not end with /")
	}
	if s.Endpoint != "" {
		requireURL(errs, child(at, "endpoint"), s.Endpoint)
	}
	if c := s.Credentials; c != nil {
		at = child(at, "credentials")
		c.AccessKeyID.validate(errs, child(at, "accessKeyID"))
		c.SecretAccessKey.validate(errs, child(at, "secretAccessKey"))
		if c.SessionToken != nil {
			c.SessionToken.validate(errs, child(at, "sessionToken"))
		}
	}
}

// requirePublicKey wants the text of a public key that parse reads.
func requirePublicKey[K any](errs *FieldErrors, at, value string, parse func(string) (K, error)) {
	if value == "" {
		errs.add(at, "is missing: tranship keys show prints it")
		return
	}
	if strings.Contains(value, "PRIVATE-KEY") {
		errs.add(at, "must not hold a private key: take it for lost and generate another one")
	} else if _, err := parse(value); err != nil {
		errs.add(at, "holds %v", err)
	}
}

func (e *Encryption) validate(errs *FieldErrors, at string) {
	requirePublicKey(errs, child(at, "publicKey"), e.PublicKey, keyfile.ParseLocationPublic)
	if e.PrivateKey != nil {
		e.PrivateKey.validate(errs, child(at, "privateKey"))
	}
	if e.WriterKey != nil {
		e.WriterKey.validate(errs, child(at, "writerKey"))
	}
}

func validateSigners(errs *FieldErrors, at string, s *LocationSpec) {
	roles := map[SignerRole]bool{}
	for i, signer := range s.Signers {
		roles[signer.Role] = true
		requireOneOf(errs, child(element(at, i), "role"), signer.Role, SignerCapturer, SignerMasker, SignerVerifier, SignerTransferer, SignerRestorer)
		requirePublicKey(errs, child(element(at, i), "publicKey"), signer.PublicKey, keyfile.ParseSigningPublic)
	}
	duplicates(s.Signers, func(s Signer) Signer { return s }, func(i, first int) {
		errs.add(element(at, i), "is the same as %s", element(at, first))
	})
	duplicates(s.Signers, func(s Signer) string { return s.PublicKey }, func(i, first int) {
		if s.Signers[i].Role != s.Signers[first].Role && s.Signers[i].PublicKey != "" {
			errs.add(child(element(at, i), "publicKey"), "is the key of another role too: each role signs with a key of its own")
		}
	})
	if s.Trust == TrustMasked && len(s.Signers) > 0 && (!roles[SignerMasker] || !roles[SignerVerifier]) {
		errs.add(at, "must list a masker and a verifier: a masked manifest needs the signatures of both")
	}
}
