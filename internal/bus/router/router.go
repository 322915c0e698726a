// Package router builds the Watermill Router in which services handle their messages.
package router

import (
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/clock"
)

// Metrics hears of every handled message. Implementations are safe for concurrent use and do not block.
type Metrics interface {
	// Handled is called once per delivery, with what the handler returned: nil means that the message was acknowledged.
	Handled(handler string, took time.Duration, err error)
}

// Config says how the router stops.
type Config struct {
	CloseTimeout time.Duration // how long Close waits for running handlers; 0: 30 s
}

// Deps are what a router needs. Metrics and Clock may be nil.
type Deps struct {
	Log     *zap.Logger
	Metrics Metrics
	Clock   clock.Clock
}

// New returns a router without handlers. A handler that panics returns an error instead: its message is delivered again
// after the consumer's AckWait.
func New(cfg Config, deps Deps) (*message.Router, error) {
	r, err := message.NewRouter(message.RouterConfig{CloseTimeout: cfg.CloseTimeout}, Logger(deps.Log))
	if err != nil {
		return nil, fmt.Errorf("build the message router: %w", err)
	}
	if deps.Metrics != nil {
		if deps.Clock == nil {
			deps.Clock = clock.Real{}
		}
		r.AddMiddleware(observe(deps.Metrics, deps.Clock))
	}
	r.AddMiddleware(middleware.Recoverer) // innermost, so that a panic is observed as an error
	return r, nil
}

func observe(m Metrics, c clock.Clock) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(w *message.Message) ([]*message.Message, error) {
			start := c.Now()
			out, err := next(w)
			m.Handled(message.HandlerNameFromCtx(w.Context()), c.Now().Sub(start), err)
			return out, err
		}
	}
}
