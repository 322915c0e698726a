// Package failpoint kills the process at named places of the code, so that tests can prove what survives.
//
// The environment variable TRANSHIP_FAILPOINT holds "name" or "name:n": the process ends with SIGKILL, as by a power cut,
// when it reaches the place for the n-th time (the first when n is absent). Without the variable a place costs one
// comparison.
package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Env is the environment variable that arms one place.
const Env = "TRANSHIP_FAILPOINT"

// Name is a place where a process can be made to die.
type Name string

// The places, in the order in which a run reaches them.
const (
	TriggerBeforeAppend  Name = "trigger.before-append"  // a request is accepted and nothing is written
	ReactorBeforeAppend  Name = "reactor.before-append"  // a fact is seen and nothing is decided: also after the last task of a step
	ReactorBeforeEmit    Name = "reactor.before-emit"    // a decision is written, its commands are not published
	ReactorBeforeAck     Name = "reactor.before-ack"     // commands are published, the fact is not acknowledged
	StageBeforeClaim     Name = "stage.before-claim"     // a command is taken and not claimed
	StageAfterClaim      Name = "stage.after-claim"      // a task is claimed and its checkpoint not taken over
	StageBeforeSave      Name = "stage.before-save"      // a pack is durable and its checkpoint is not
	StageAfterSave       Name = "stage.after-save"       // in the middle of a task
	StageBeforeCompleted Name = "stage.before-completed" // the effect is done and the fact is not written
	StageBeforeAck       Name = "stage.before-ack"       // the fact is written and the command not acknowledged

	UnitDone       Name = "unit.done"       // a unit is captured, masked, copied or restored, in the middle of a task
	StreamsDurable Name = "streams.durable" // all streams of a task are durable, their description is not
	ManifestBefore Name = "manifest.before" // everything is there but the manifest
	ManifestAfter  Name = "manifest.after"  // the capture exists and nobody knows
	PublishBefore  Name = "publish.before"  // the restored target is proven and still sealed
	PublishAfter   Name = "publish.after"   // the restored target is open and nobody knows
)

// Names lists every place.
func Names() []Name {
	return []Name{
		TriggerBeforeAppend, ReactorBeforeAppend, ReactorBeforeEmit, ReactorBeforeAck, StageBeforeClaim, StageAfterClaim,
		StageBeforeSave, StageAfterSave, StageBeforeCompleted, StageBeforeAck,
		UnitDone, StreamsDurable, ManifestBefore, ManifestAfter, PublishBefore, PublishAfter,
	}
}

var (
	armed Name
	left  atomic.Int64
	die   = func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way: nothing after the place may run
	}
)

// Arm reads a specification as in the environment variable. An empty one disarms. Call it at start, before any Hit.
func Arm(spec string) error {
	name, count, counted := strings.Cut(spec, ":")
	n := 1
	if counted {
		v, err := strconv.Atoi(count)
		if err != nil || v < 1 {
			return fmt.Errorf("failpoint %q: %q is not a count from 1", name, count)
		}
		n = v
	}
	if name != "" && !slices.Contains(Names(), Name(name)) {
		return fmt.Errorf("failpoint %q does not exist: known are %v", name, Names())
	}
	armed = Name(name)
	left.Store(int64(n))
	return nil
}

// Hit ends the process if the place is armed and its count is used up.
func Hit(name Name) {
	if armed != name {
		return
	}
	if left.Add(-1) == 0 {
		die()
	}
}
