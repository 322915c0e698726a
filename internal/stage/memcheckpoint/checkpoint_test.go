package memcheckpoint_test

import (
	"testing"

	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/memcheckpoint"
	"github.com/tranship/tranship/internal/stage/stagetest"
)

func TestCheckpoints(t *testing.T) {
	stagetest.Checkpoints(t, func(*testing.T) stage.Checkpoints { return memcheckpoint.New() })
}
