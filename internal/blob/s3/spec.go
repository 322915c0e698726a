package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// Spec describes the driver to the registry.
var Spec = blob.Spec{
	Name:    "s3",
	Summary: "A bucket of S3, or of a store with its protocol that honours create-only writes (If-None-Match on PutObject).",
	Example: `s3:
  bucket: vault
  prefix: tranship
  endpoint: https://s3.example.org   # not for AWS
  region: eu-central-1
  pathStyle: true                    # for most stores that are not AWS
  caFile: /etc/ssl/private-ca.pem
  credentials:                       # absent: environment, profile, web identity or role
    accessKeyID: {fromEnv: TRANSHIP_SECRET_S3_ID}
    secretAccessKey: {fromEnv: TRANSHIP_SECRET_S3_KEY}
`,
	Open: open,
}

// block is the driver's part of a Location.
type block struct {
	Bucket      string `json:"bucket"`
	Prefix      string `json:"prefix"`
	Endpoint    string `json:"endpoint"`
	Region      string `json:"region"`
	PathStyle   bool   `json:"pathStyle"`
	CAFile      string `json:"caFile"`
	Credentials struct {
		AccessKeyID     json.RawMessage `json:"accessKeyID"`
		SecretAccessKey json.RawMessage `json:"secretAccessKey"`
		SessionToken    json.RawMessage `json:"sessionToken"`
	} `json:"credentials"`
}

func open(ctx context.Context, c blob.Config, d blob.Deps) (blob.Store, error) {
	b, err := blob.Decode[block](c)
	if err != nil {
		return nil, err
	}
	if b.Bucket == "" {
		return nil, fault.New(fault.Permanent, "config.missing", "%s.bucket: must not be empty", c.Field)
	}
	if b.Prefix != "" {
		if err := blob.Key(b.Prefix).Validate(); err != nil {
			return nil, fault.New(fault.Permanent, codeInvalid, "%s.prefix: %w", c.Field, err)
		}
	}
	if b.Endpoint != "" {
		u, err := url.Parse(b.Endpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" {
			// The text is not repeated: somebody may have put a password into it.
			return nil, fault.New(fault.Permanent, codeInvalid, "%s.endpoint: must be a URL such as https://s3.example.org, without user and query", c.Field)
		}
	}
	config := Config{Bucket: b.Bucket, Endpoint: b.Endpoint, Region: b.Region, PathStyle: b.PathStyle, CAFile: b.CAFile}
	for _, s := range []struct {
		name string
		ref  json.RawMessage
		into *blob.Secret
	}{
		{"accessKeyID", b.Credentials.AccessKeyID, &config.AccessKeyID},
		{"secretAccessKey", b.Credentials.SecretAccessKey, &config.SecretAccessKey},
		{"sessionToken", b.Credentials.SessionToken, &config.SessionToken},
	} {
		if len(s.ref) == 0 || string(s.ref) == "null" {
			continue
		}
		value, err := d.Secrets(ctx, s.ref)
		if err != nil {
			return nil, fmt.Errorf("%s.credentials.%s: %w", c.Field, s.name, err)
		}
		// Files of secrets end with a newline more often than not.
		*s.into = blob.NewSecret(strings.TrimSpace(string(value)))
	}
	store, err := New(ctx, config)
	if fault.CodeOf(err) == codeInvalid {
		return nil, fmt.Errorf("%s.%w", c.Field, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Field, err)
	}
	return closing{blob.Prefixed(store, b.Prefix), store}, nil
}

// closing is a view of a store that closes the store.
type closing struct {
	blob.Store
	io.Closer
}
