package router

import (
	"github.com/ThreeDotsLabs/watermill"
	"go.uber.org/zap"
)

// Logger lets Watermill log into zap. What Watermill calls information is about its own parts: debug for us.
func Logger(log *zap.Logger) watermill.LoggerAdapter {
	return logger{log.WithOptions(zap.AddCallerSkip(1))}
}

type logger struct{ log *zap.Logger }

func (l logger) Error(msg string, err error, f watermill.LogFields) {
	l.log.Error(msg, append(fields(f), zap.Error(err))...)
}
func (l logger) Info(msg string, f watermill.LogFields)  { l.log.Debug(msg, fields(f)...) }
func (l logger) Debug(msg string, f watermill.LogFields) { l.log.Debug(msg, fields(f)...) }

// Trace drops its message: at that level Watermill logs payloads.
func (l logger) Trace(string, watermill.LogFields) {}

func (l logger) With(f watermill.LogFields) watermill.LoggerAdapter {
	return logger{l.log.With(fields(f)...)}
}

func fields(f watermill.LogFields) []zap.Field {
	out := make([]zap.Field, 0, len(f)+1)
	for k, v := range f {
		out = append(out, zap.Any(k, v))
	}
	return out
}
