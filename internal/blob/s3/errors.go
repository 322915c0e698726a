package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const statusRange = http.StatusRequestedRangeNotSatisfiable

// statusOf returns the HTTP status of the response that err is about, or 0.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func isStatus(err error, status int) bool { return statusOf(err) == status }

// codeOf returns the S3 error code, or "".
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// putError is opError for what only a Put can meet.
func putError(ctx context.Context, k blob.Key, o blob.PutOptions, err error) error {
	switch code := codeOf(err); {
	case isStatus(err, http.StatusPreconditionFailed) && o.IfNotExists:
		return blob.Exists(k)
	case isStatus(err, http.StatusNotImplemented) && o.IfNotExists:
		return fault.New(fault.Permanent, "blob.unsupported", "put object %s: %w: create-only writes: %w", k, blob.ErrUnsupported, err).
			WithHint("the repository needs a store that honours If-None-Match on PutObject; choose another one for this location")
	case code == "InvalidBucketObjectLockConfiguration", code == "InvalidRequest" && !o.RetainUntil.IsZero():
		return fault.New(fault.Permanent, "blob.unsupported", "put object %s: retention: %w: %w", k, blob.ErrUnsupported, err).
			WithHint("object lock must be enabled on the bucket, which most stores allow only when the bucket is created")
	}
	return opError(ctx, "put", k, err)
}

// opError says what failed and gives it a class. A nil err stays nil, and cancellation stays what it is.
func opError(ctx context.Context, op string, k blob.Key, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s object %s: %w", op, k, context.Cause(ctx))
	}
	code, status := codeOf(err), statusOf(err)
	as := func(class fault.Class, hint string) error {
		return &fault.Error{Class: class, Code: "blob.s3", Hint: hint, Err: fmt.Errorf("%s object %s: %w", op, k, err)}
	}
	switch code {
	case "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "InvalidDigest":
		return fault.New(fault.Transient, "blob.checksum", "%s object %s: %w: %w", op, k, blob.ErrChecksum, err)
	case "NoSuchBucket":
		return as(fault.Permanent, "create the bucket, or correct its name, region or endpoint in the location")
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "BandwidthLimitExceeded":
		return as(fault.Throttled, "")
	case "RequestTimeTooSkewed":
		return as(fault.Denied, "the clocks of this machine and of the store differ by minutes: synchronise them")
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict":
		// The last one: another writer of the key is at work. Who won is known when we ask again.
		return as(fault.Transient, "")
	}
	switch {
	case status == http.StatusNotFound:
		return blob.NotFound(k)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return as(fault.Denied, hintDenied(op))
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return as(fault.Throttled, "")
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		return as(fault.Transient, "")
	case status >= 300 && status < 400:
		return as(fault.Permanent, "the bucket is in another region or behind another endpoint: correct the location")
	case status >= 400:
		return as(fault.Permanent, "")
	}
	if isMissingCredentials(err) {
		return as(fault.Denied, "give the location credentials, or the process a role or profile")
	}
	return as(fault.Transient, "") // no response: the network
}

func hintDenied(op string) string {
	switch op {
	case "put":
		return "the location's credentials need s3:PutObject (with retention also s3:PutObjectRetention) on the bucket"
	case "list":
		return "the location's credentials need s3:ListBucket on the bucket"
	case "delete":
		return "the location's credentials need s3:DeleteObject on the bucket, and the object must not be locked"
	default:
		return "the location's credentials need s3:GetObject on the bucket, and s3:ListBucket to tell what does not exist"
	}
}

// isMissingCredentials reports whether the request could not be signed. The SDK wraps every failure to build a request
// in an operation error without a response and without a send error.
func isMissingCredentials(err error) bool {
	var operation *smithy.OperationError
	var send *smithyhttp.RequestSendError
	var response *smithyhttp.ResponseError
	return errors.As(err, &operation) && !errors.As(err, &send) && !errors.As(err, &response)
}
