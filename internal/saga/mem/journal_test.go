package mem_test

import (
	"testing"

	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/mem"
	"github.com/tranship/tranship/internal/saga/sagatest"
)

func TestJournal(t *testing.T) {
	sagatest.Journal(t, func(*testing.T) saga.Journal { return mem.New() })
}

func TestFeed(t *testing.T) {
	sagatest.Feed(t, func(*testing.T) (saga.Journal, saga.Feed) {
		j := mem.New()
		return j, j
	})
}
