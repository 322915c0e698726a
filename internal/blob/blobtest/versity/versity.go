// Package versity gives tests a real S3 server.
package versity

import (
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/s3"
	"github.com/tranship/tranship/internal/blob/s3/s3server"
	"github.com/tranship/tranship/internal/fault"
)

// Start runs a server over a temporary directory until the test ends. Without the server's program the test fails: a suite
// that skips its only real store proves nothing.
func Start(t testing.TB) *s3server.Server {
	t.Helper()
	binary, err := s3server.Find(".")
	if err != nil {
		t.Fatalf("%v: %s", err, fault.HintOf(err))
	}
	server, err := s3server.Start(t.Context(), s3server.Config{Binary: binary, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Bucket creates a bucket, with object lock when lock is set, and returns the configuration that reaches it.
func Bucket(t testing.TB, server *s3server.Server, name string, lock bool) s3.Config {
	t.Helper()
	if err := server.CreateBucket(t.Context(), name, lock); err != nil {
		t.Fatal(err)
	}
	return s3.Config{
		Bucket:          name,
		Endpoint:        server.Endpoint,
		Region:          server.Region,
		PathStyle:       true,
		AccessKeyID:     blob.NewSecret(server.AccessKeyID),
		SecretAccessKey: server.SecretAccessKey,
	}
}
