package api

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
	Role      SignerRole `json:"role" jsonschema:"enum=capturer,enum=masker,enum=verifier,enum=transferer" jsonschema_description:"Service whose statements the key signs."`
	PublicKey string     `json:"publicKey" jsonschema_description:"Public key of the signer (tssig1…)."`
}

// SignerRole is the service that a signing key belongs to.
type SignerRole string

// The roles that sign manifests. A masked manifest carries the masker's signature and the verifier's.
const (
	SignerCapturer   SignerRole = "capturer"
	SignerMasker     SignerRole = "masker"
	SignerVerifier   SignerRole = "verifier"
	SignerTransferer SignerRole = "transferer"
)
