// Package s3 keeps objects in S3 and in stores that speak its protocol and honour If-None-Match: * on PutObject.
//
// Every object is one PutObject with a CRC-32C that the store verifies, and a full read is verified against it. The payload
// is not part of the request's signature: hashing it with SHA-256 would cost more than all else this driver does, the
// checksum guards against accidents, and what the repository stores is sealed against everything else.
package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// defaultRegion is what stores with an endpoint of their own expect when nobody has told them a region.
const defaultRegion = "us-east-1"

// Config says which bucket, where, and as whom.
type Config struct {
	Bucket    string
	Endpoint  string // URL of the store; empty means AWS
	Region    string // empty: from the environment or the profile, or us-east-1 when there is an Endpoint
	PathStyle bool   // the bucket is in the path, not in the host name
	CAFile    string // PEM file of certificate authorities to trust besides the system's

	// AccessKeyID and SecretAccessKey, with SessionToken if they are temporary. All empty: the default chain of the AWS
	// SDK (environment, profile, web identity, container and instance role).
	AccessKeyID     blob.Secret
	SecretAccessKey blob.Secret
	SessionToken    blob.Secret
}

// Store is a blob.Store in an S3 bucket. Use New.
type Store struct {
	client *s3.Client
	bucket string
	close  func()
}

var _ blob.Store = (*Store)(nil)

// New returns the bucket's store. It reads configuration and does not connect.
func New(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, invalid("bucket: must not be empty")
	}
	if c.AccessKeyID.Present() != c.SecretAccessKey.Present() {
		return nil, invalid("credentials: accessKeyID and secretAccessKey go together")
	}
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if c.AccessKeyID.Present() {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
			c.AccessKeyID.Reveal(), c.SecretAccessKey.Reveal(), c.SessionToken.Reveal())))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fault.New(fault.Permanent, "config.aws", "load the AWS configuration: %w", err)
	}
	if cfg.Region == "" && c.Endpoint != "" {
		cfg.Region = defaultRegion
	}
	if cfg.Region == "" {
		return nil, invalid("region: must not be empty, and neither the environment nor the profile has one")
	}
	httpClient, closeIdle, err := newHTTPClient(cfg.HTTPClient, c.CAFile)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		o.HTTPClient = httpClient
		o.UsePathStyle = c.PathStyle
		o.Retryer = aws.NopRetryer{} // the retry wrapper does it, for all drivers alike
		o.DisableLogOutputChecksumValidationSkipped = true
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	})
	return &Store{client: client, bucket: c.Bucket, close: closeIdle}, nil
}

// codeInvalid marks errors that begin with the name of a field of Config.
const codeInvalid = "config.invalid"

func invalid(message string) error {
	return fault.New(fault.Permanent, codeInvalid, "%s", message)
}

// Close closes idle connections.
func (s *Store) Close() error {
	s.close()
	return nil
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	if err := k.Validate(); err != nil {
		return err
	}
	size, err := blob.Rewind(r)
	if err != nil {
		return err
	}
	sum, err := checksum(ctx, k, r, o.CRC32C)
	if err != nil {
		return err
	}
	source := &source{ReadSeeker: r}
	in := &s3.PutObjectInput{
		Bucket:            &s.bucket,
		Key:               aws.String(string(k)),
		Body:              source,
		ContentLength:     &size,
		ContentType:       aws.String("application/octet-stream"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		ChecksumCRC32C:    &sum,
	}
	if o.IfNotExists {
		in.IfNoneMatch = aws.String("*")
	}
	if !o.RetainUntil.IsZero() {
		in.ObjectLockMode = types.ObjectLockModeGovernance
		if o.Compliance {
			in.ObjectLockMode = types.ObjectLockModeCompliance
		}
		in.ObjectLockRetainUntilDate = aws.Time(o.RetainUntil)
	}
	if _, err := s.client.PutObject(ctx, in); err != nil {
		if source.err != nil {
			return sourceError(k, source.err)
		}
		return putError(ctx, k, o, err)
	}
	return nil
}

// checksum returns the CRC-32C of r as a header value and leaves r at its start.
func checksum(ctx context.Context, k blob.Key, r io.ReadSeeker, known *uint32) (string, error) {
	var sum uint32
	if known != nil {
		sum = *known
	} else {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		crc := crc32.New(blob.Castagnoli)
		if _, err := io.Copy(crc, r); err != nil {
			return "", sourceError(k, err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return "", sourceError(k, err)
		}
		sum = crc.Sum32()
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)), nil
}

func sourceError(k blob.Key, err error) error {
	return fault.New(fault.Permanent, "blob.source", "put object %s: read its bytes: %w", k, err)
}

// source remembers the error of the caller's reader, which would otherwise pass for a broken connection.
type source struct {
	io.ReadSeeker
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.ReadSeeker.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Get implements blob.Store. A read of the whole object is verified against the checksum it was stored with.
func (s *Store) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if err := blob.ValidateRange(off, n); err != nil {
		return nil, err
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(string(k))}
	ranged := true
	switch {
	case n > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	default:
		ranged = false
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.GetObject(ctx, in, func(o *s3.Options) {
		if ranged {
			// The stored checksum is that of the whole object.
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	if err != nil {
		if isStatus(err, statusRange) {
			if off == 0 {
				return io.NopCloser(eof{}), nil // an empty object has no byte that a range could name
			}
			return nil, blob.OutOfRange(k, off)
		}
		return nil, opError(ctx, "get", k, err)
	}
	if ranged && out.ContentRange == nil {
		_ = out.Body.Close()
		return nil, fault.New(fault.Permanent, "blob.protocol", "get object %s: the store ignores ranges", k)
	}
	if out.ContentLength == nil {
		_ = out.Body.Close()
		return nil, fault.New(fault.Permanent, "blob.protocol", "get object %s: the store does not say how long it is", k)
	}
	return &reader{ctx: ctx, key: k, body: out.Body, left: *out.ContentLength}, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// reader gives the errors of a response body their class.
type reader struct {
	ctx  context.Context //nolint:containedctx // the context of one Get, as in net/http's response body
	key  blob.Key
	body io.ReadCloser
	left int64 // announced bytes that have not arrived
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.left > 0:
		return n, opError(r.ctx, "get", r.key, io.ErrUnexpectedEOF)
	case err == io.EOF:
		return n, io.EOF
	case r.left <= 0 && r.ctx.Err() == nil:
		// Every announced byte is here: the one thing left that can fail is the checksum.
		return n, blob.Corrupt(r.key)
	default:
		return n, opError(r.ctx, "get", r.key, err)
	}
}

func (r *reader) Close() error { return r.body.Close() }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	if err := k.Validate(); err != nil {
		return blob.Info{}, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(string(k))})
	if err != nil {
		return blob.Info{}, opError(ctx, "stat", k, err)
	}
	info := blob.Info{Key: k, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified).UTC()}
	if v := aws.ToString(out.VersionId); v != "null" {
		info.Version = v
	}
	return info, nil
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := blob.ValidatePrefix(prefix); err != nil {
			yield(blob.Info{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		last := blob.Key("")
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(blob.Info{}, opError(ctx, "list", blob.Key(prefix), err))
				return
			}
			for _, o := range page.Contents {
				k := blob.Key(aws.ToString(o.Key))
				if k.Validate() != nil {
					continue // not ours: a folder marker of a console, for example
				}
				if k <= last {
					yield(blob.Info{}, fault.New(fault.Permanent, "blob.list-order", "list objects %s: the store lists %s after %s", prefix, k, last))
					return
				}
				last = k
				if !yield(blob.Info{Key: k, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified).UTC()}, nil) {
					return
				}
			}
		}
	}
}

// Delete implements blob.Store. In a bucket with versions it hides the object.
func (s *Store) Delete(ctx context.Context, k blob.Key) error {
	if err := k.Validate(); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(string(k))})
	if err = opError(ctx, "delete", k, err); err != nil && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	return nil
}
