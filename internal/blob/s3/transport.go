package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/tranship/tranship/internal/fault"
)

const (
	connectTimeout = 10 * time.Second
	// headerTimeout is how long a store may think about a request whose body it has.
	headerTimeout = 60 * time.Second
	// stallTimeout is how long a connection may stand still, reading or writing. There is no limit on a whole request:
	// 64 MiB take their time on a slow line.
	stallTimeout = 90 * time.Second
	// idleConns must hold the connections of all workers of a process, or they would be opened anew for every object.
	idleConns  = 64
	bufferSize = 128 << 10
)

// newHTTPClient returns a client for many concurrent requests to one host. It starts from base, the SDK's own, which honours
// the environment's proxy and AWS_CA_BUNDLE, and differs from it in what a store needs.
func newHTTPClient(base aws.HTTPClient, caFile string) (aws.HTTPClient, func(), error) {
	roots, err := trusted(caFile)
	if err != nil {
		return nil, nil, err
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	buildable, ok := base.(*awshttp.BuildableClient)
	if !ok {
		buildable = awshttp.NewBuildableClient()
	}
	t := buildable.GetTransport()
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return stallConn{c}, nil
	}
	if roots != nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	t.TLSHandshakeTimeout = connectTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.IdleConnTimeout = stallTimeout / 2
	t.MaxIdleConns = 2 * idleConns
	t.MaxIdleConnsPerHost = idleConns
	t.WriteBufferSize = bufferSize
	t.ReadBufferSize = bufferSize
	t.DisableCompression = true // the bytes of an object are the bytes that were stored
	client := &http.Client{
		Transport: t,
		// A signed request cannot follow a redirect: the signature names the host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, t.CloseIdleConnections, nil
}

// trusted returns the system's authorities and those of caFile, or nil for the default when there is no caFile.
func trusted(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fault.New(fault.Permanent, codeInvalid, "caFile: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Permanent, codeInvalid, "caFile: %s holds no PEM certificate", caFile)
	}
	return roots, nil
}

// stallConn fails when the connection stands still. Any progress in one direction extends both: while a large body is
// being written, a Read waits for the answer.
type stallConn struct{ net.Conn }

func (c stallConn) Read(p []byte) (int, error) {
	c.progress()
	return c.Conn.Read(p)
}

func (c stallConn) Write(p []byte) (int, error) {
	c.progress()
	return c.Conn.Write(p)
}

func (c stallConn) progress() {
	// A connection that cannot take a deadline is broken, which its next use reports.
	_ = c.SetDeadline(time.Now().Add(stallTimeout)) //nolint:forbidigo // deadlines of connections are of the wall clock
}
