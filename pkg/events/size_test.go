package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/pkg/events"
)

// largest returns the command of a commit in which everything is as long as it can be, for work with a policy of n bytes.
func largest(t *testing.T, n int) (work events.MaskWork, tasks int, err error) {
	t.Helper()
	resource := events.Resource(`{"kind":"Location"}`)
	policy := events.Resource(fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", n)))
	work = events.MaskWork{From: resource, Policy: policy, To: resource}
	tasks, err = events.TasksBeside(work)
	return work, tasks, err
}

func TestCommitWithTheMostWorkItemsFitsIntoAMessage(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	digest := "blake3:" + strings.Repeat("0", 64)
	at := events.Address{Tenant: long(63), Service: "scheduler", Run: long(64), Step: long(63), Task: events.TaskCommit}
	for _, size := range []int{10, 90 << 10, 120 << 10, events.MaxWork - 200} {
		work, tasks, err := largest(t, size)
		if err != nil {
			t.Fatal(err)
		}
		if tasks < 100 {
			t.Errorf("%d bytes leave room for %d work items", size, tasks)
		}
		item := events.Outcome{
			Ref:    "t/" + at.Run + "/" + at.Step + ".256-" + fmt.Sprint(uint64(math.MaxUint64)),
			Digest: digest, Verdict: events.VerdictPassed,
			Stats: events.Stats{Items: math.MaxInt64, Rows: math.MaxInt64, Bytes: math.MaxInt64, Stored: math.MaxInt64, Skipped: math.MaxInt64},
		}
		c := events.MaskRequested{Work: work, Assignment: events.Assignment{
			Attempt: math.MaxInt32, Generation: 5, ReplySubject: events.TaskSubject(at.Tenant, at.Run, events.StageMask, long(63), at.Step, at.Task),
			Deadline: time.Now(), Input: &events.CaptureRef{ID: long(64), Application: long(63), Location: long(63), Trust: "raw", Digest: digest, Root: digest},
			Output: long(64), Abandoned: []string{long(64), long(64), long(64), long(64)}, Index: tasks,
			Plan: &events.PlanRef{Count: tasks, Ref: item.Ref, Digest: digest},
		}}
		for range tasks + 1 {
			c.Outcomes = append(c.Outcomes, item)
		}
		c.Outcomes = append(c.Outcomes, events.Outcome{Verdict: events.VerdictPassed, Detail: json.RawMessage(`"` + long(events.MaxDetail-2) + `"`)})
		e, err := events.New(at, 1, time.Now(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := events.Encode(e); err != nil {
			t.Errorf("a policy of %d bytes and %d work items: %v", size, tasks, err)
		}
	}
}

func TestWorkThatLeavesNoRoomIsRefused(t *testing.T) {
	if _, _, err := largest(t, events.MaxWork); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
