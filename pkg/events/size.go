package events

import (
	"encoding/json"
	"fmt"
)

// The command of a step's commit is the largest message of a run: it carries the step's work and the outcomes of all its
// work items, and must stay within MaxSize.
const (
	// MaxWork bounds the work of a step, in bytes of JSON.
	MaxWork = 160 << 10

	outcomeBytes = 512              // of a work item: a reference, a digest and counts
	commandBytes = MaxDetail + 4096 // what the scan found, and the rest of a command
)

// TasksBeside returns how many work items, at most MaxTasks, a step with this work may have. It is an error for work of more
// than MaxWork.
func TasksBeside(work any) (int, error) {
	data, err := json.Marshal(work)
	if err != nil {
		return 0, fmt.Errorf("encode the work of a step: %w", err)
	}
	if len(data) > MaxWork {
		return 0, fmt.Errorf("%w: its work has %d bytes, at most %d are allowed", ErrInvalid, len(data), MaxWork)
	}
	return min(MaxTasks, (MaxSize-commandBytes-len(data))/outcomeBytes), nil
}
