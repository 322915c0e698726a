package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/s3"
	"github.com/tranship/tranship/internal/fault"
)

// against returns a store whose server is handler.
func against(t *testing.T, handler http.HandlerFunc) *s3.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return open(t, config(server.URL))
}

func config(endpoint string) s3.Config {
	return s3.Config{Bucket: "b", Endpoint: endpoint, PathStyle: true, AccessKeyID: blob.NewSecret("id"), SecretAccessKey: blob.NewSecret("topsecret")}
}

func answer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said so</Message></Error>", code)
}

func TestErrorsGetTheirClass(t *testing.T) {
	createOnly := blob.PutOptions{IfNotExists: true}
	locked := blob.PutOptions{RetainUntil: time.Now().Add(time.Hour)}
	for _, test := range []struct {
		status   int
		code     string
		options  blob.PutOptions
		class    fault.Class
		sentinel error
		hint     string
	}{
		{412, "PreconditionFailed", createOnly, fault.Conflict, blob.ErrExists, ""},
		{409, "ConditionalRequestConflict", createOnly, fault.Transient, nil, ""},
		{501, "NotImplemented", createOnly, fault.Permanent, blob.ErrUnsupported, "another one"},
		{400, "InvalidRequest", locked, fault.Permanent, blob.ErrUnsupported, "object lock"},
		{400, "InvalidRequest", blob.PutOptions{}, fault.Permanent, nil, ""},
		{400, "BadDigest", blob.PutOptions{}, fault.Transient, blob.ErrChecksum, ""},
		{404, "NoSuchBucket", blob.PutOptions{}, fault.Permanent, nil, "create the bucket"},
		{404, "NoSuchKey", blob.PutOptions{}, fault.NotFound, blob.ErrNotFound, ""},
		{403, "AccessDenied", blob.PutOptions{}, fault.Denied, nil, "s3:PutObject"},
		{403, "RequestTimeTooSkewed", blob.PutOptions{}, fault.Denied, nil, "clocks"},
		{503, "SlowDown", blob.PutOptions{}, fault.Throttled, nil, ""},
		{429, "TooManyRequests", blob.PutOptions{}, fault.Throttled, nil, ""},
		{500, "InternalError", blob.PutOptions{}, fault.Transient, nil, ""},
		{502, "", blob.PutOptions{}, fault.Transient, nil, ""},
		{400, "RequestTimeout", blob.PutOptions{}, fault.Transient, nil, ""},
		{301, "PermanentRedirect", blob.PutOptions{}, fault.Permanent, nil, "region"},
	} {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			requests := 0
			s := against(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, test.status, test.code)
			})
			err := s.Put(t.Context(), "k", strings.NewReader("data"), test.options)
			if err == nil {
				t.Fatal("no error")
			}
			if got := fault.ClassOf(err); got != test.class {
				t.Errorf("class %q, want %q: %v", got, test.class, err)
			}
			if test.sentinel != nil && !errors.Is(err, test.sentinel) {
				t.Errorf("%v, want %v", err, test.sentinel)
			}
			if test.sentinel == nil && errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%v passes for a missing object", err)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, test.hint) {
				t.Errorf("hint %q, want %q in it", hint, test.hint)
			}
			if strings.Contains(fmt.Sprintf("%+v", err), "topsecret") {
				t.Errorf("the error shows the secret: %+v", err)
			}
			if requests != 1 {
				t.Errorf("%d requests: the driver must leave retries to the wrapper", requests)
			}
		})
	}
}

func TestAbsentBucketIsNotAnAbsentObject(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 404, "NoSuchBucket") })
	if err := s.Delete(t.Context(), "k"); !fault.Is(err, fault.Permanent) {
		t.Errorf("delete: %v, want a permanent error", err)
	}
	if _, err := s.Get(t.Context(), "k", 0, -1); !fault.Is(err, fault.Permanent) || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get: %v, want a permanent error that is not ErrNotFound", err)
	}
}

func TestUnreachableStoreIsTransient(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	endpoint := server.URL
	server.Close()
	_, err := open(t, config(endpoint)).Stat(t.Context(), "k")
	if !fault.Is(err, fault.Transient) {
		t.Errorf("stat: %v (%s), want a transient error", err, fault.ClassOf(err))
	}
}

func TestMissingCredentialsAreDenied(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	s := open(t, s3.Config{Bucket: "b", Endpoint: "http://127.0.0.1:1", PathStyle: true})
	if _, err := s.Stat(t.Context(), "k"); !fault.Is(err, fault.Denied) || fault.HintOf(err) == "" {
		t.Errorf("stat: %v (%s), want denied with a hint", err, fault.ClassOf(err))
	}
}

func TestPutSendsWhatTheStoreNeedsToVerifyAndToRefuse(t *testing.T) {
	until := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	seen := make(chan http.Header, 1)
	s := against(t, func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "123456789" {
			t.Errorf("body %q, %v", body, err)
		}
		seen <- r.Header
	})
	o := blob.PutOptions{IfNotExists: true, RetainUntil: until, Compliance: true}
	if err := s.Put(t.Context(), "k", strings.NewReader("123456789"), o); err != nil {
		t.Fatal(err)
	}
	header := <-seen
	for name, want := range map[string]string{
		"If-None-Match":                       "*",
		"X-Amz-Checksum-Crc32c":               "4waSgw==", // the check value of CRC-32C, e3069283
		"X-Amz-Object-Lock-Mode":              "COMPLIANCE",
		"X-Amz-Object-Lock-Retain-Until-Date": "2031-02-03T04:05:06Z",
		"X-Amz-Content-Sha256":                "UNSIGNED-PAYLOAD",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestDamagedAnswerIsNoticed(t *testing.T) {
	data := bytes.Repeat([]byte("abc"), 10_000)
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   error
	}{
		"flipped bit": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Header().Set("X-Amz-Checksum-Crc32c", "4waSgw==")
			_, _ = w.Write(data)
		}, blob.ErrChecksum},
		"cut short": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)+1))
			_, _ = w.Write(data)
		}, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			s := against(t, func(w http.ResponseWriter, _ *http.Request) { test.answer(w) })
			_, err := blob.NewBucket(s, "").Get(t.Context(), "k", blob.MaxObject)
			if !errors.Is(err, test.want) || !fault.Is(err, fault.Transient) {
				t.Errorf("get: %v (%s), want %v", err, fault.ClassOf(err), test.want)
			}
		})
	}
}

func TestListingOutOfOrderIsRefused(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated>
			<Contents><Key>b</Key><Size>1</Size></Contents><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>`)
	})
	var last error
	for _, err := range s.List(t.Context(), "") {
		last = err
	}
	if fault.CodeOf(last) != "blob.list-order" {
		t.Errorf("list: %v, want blob.list-order", last)
	}
}

func TestCancelEndsARequestUnderWay(t *testing.T) {
	arrived, leave := make(chan struct{}), make(chan struct{})
	s := against(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-leave
	})
	defer close(leave)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if err := s.Put(ctx, "k", strings.NewReader("data"), blob.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want %v", err, context.Canceled)
	}
}
