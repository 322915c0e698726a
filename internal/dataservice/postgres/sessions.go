package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// sessions keeps idle connections that were all set up in the same way. How many there are is bounded by its users: each
// holds one at a time.
type sessions struct {
	open func(ctx context.Context) (*pgx.Conn, error)

	mu     sync.Mutex
	idle   []*pgx.Conn
	closed bool
}

// take returns an idle connection or opens one. Give it back with put, or hang up.
func (s *sessions) take(ctx context.Context) (*pgx.Conn, error) {
	s.mu.Lock()
	for len(s.idle) > 0 {
		conn := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if !conn.IsClosed() {
			s.mu.Unlock()
			return conn, nil
		}
	}
	s.mu.Unlock()
	return s.open(ctx)
}

// put takes back a connection in the state in which open left it.
func (s *sessions) put(ctx context.Context, conn *pgx.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		hangUp(ctx, conn)
		return
	}
	s.idle = append(s.idle, conn)
}

// close hangs up the idle connections, and those that come back later.
func (s *sessions) close(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, conn := range s.idle {
		hangUp(ctx, conn)
	}
	s.idle = nil
}
