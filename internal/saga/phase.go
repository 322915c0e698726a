package saga

import (
	"fmt"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// A step goes through phases: plan, work items, for masking a draft and its leak scan, commit. All tasks of a phase complete before the
// next one opens.

// StageOf returns the stage whose workers take a task.
func StageOf(kind events.StepKind, task string) events.Stage {
	if kind == events.StepMask && task == events.TaskScan {
		return events.StageScan
	}
	return events.Stage(kind)
}

// phase returns the ids of the tasks of the phase that is open, or none when the step is through.
func (st *Step) phase() []string {
	if !st.completed(events.TaskPlan) {
		return []string{events.TaskPlan}
	}
	items := workTasks(st.plan().Count)
	for _, id := range items {
		if !st.completed(id) {
			return items
		}
	}
	if st.Kind == events.StepMask {
		for _, id := range []string{events.TaskDraft, events.TaskScan} {
			if !st.completed(id) {
				return []string{id}
			}
		}
	}
	if !st.completed(events.TaskCommit) {
		return []string{events.TaskCommit}
	}
	return nil
}

func (st *Step) completed(id string) bool {
	t := st.task(id)
	return t != nil && t.Status == TaskCompleted && t.Generation == st.Generation && t.Outcome != nil
}

// plan returns what the planning task of this generation wrote, or nil.
func (st *Step) plan() *events.PlanRef {
	if !st.completed(events.TaskPlan) {
		return nil
	}
	return st.task(events.TaskPlan).Outcome.Plan
}

// outcomes returns what draft, scan and commit are told: the results of the work items in order, then, for masking, those
// of draft and scan as far as they go before the task.
func (st *Step) outcomes(task string) []events.Outcome {
	plan := st.plan()
	if plan == nil || (task != events.TaskDraft && task != events.TaskScan && task != events.TaskCommit) {
		return nil
	}
	ids := workTasks(plan.Count)
	if st.Kind == events.StepMask && task != events.TaskDraft {
		ids = append(ids, events.TaskDraft)
		if task == events.TaskCommit {
			ids = append(ids, events.TaskScan)
		}
	}
	outcomes := make([]events.Outcome, 0, len(ids))
	for _, id := range ids {
		if t := st.task(id); t != nil && t.Outcome != nil {
			outcomes = append(outcomes, *t.Outcome)
		}
	}
	return outcomes
}

func workTasks(count int) []string {
	ids := make([]string, 0, count+2)
	for i := 1; i <= count; i++ {
		ids = append(ids, events.WorkTask(i))
	}
	return ids
}

// Codes of faults that the scheduler finds itself.
const (
	CodePlanInvalid    = "plan.invalid"    // a planning task completed without a usable plan
	CodeOutcomeInvalid = "outcome.invalid" // a task completed without the result that it exists for
	CodeTimedOut       = "task.timedout"   // an attempt ran into its deadline
	CodeInputMissing   = "input.missing"   // the step that should have made the input did not
	CodeCommandInvalid = "command.invalid" // no command can be written for a task
)

// unusable says why an outcome cannot be taken, or returns nil. Whatever gates publication fails closed here: a scan or a
// verification that does not say "passed" has not passed, and no worker chooses the capture that later steps work on.
func (st *Step) unusable(task string, o events.Outcome, application string) *events.Fault {
	switch {
	case task == events.TaskPlan && (o.Plan == nil || o.Plan.Count < 0 || o.Plan.Count > events.MaxTasks):
		return permanent(CodePlanInvalid, "the plan of step %s is missing or does not count 0 to %d work items", st.Name, events.MaxTasks)
	case task == events.TaskScan && o.Verdict != VerdictPassed:
		return permanent(CodeOutcomeInvalid, "the leak scan of step %s did not pass", st.Name)
	case task != events.TaskCommit:
		return nil
	case st.Kind == events.StepVerify && o.Verdict != VerdictPassed:
		return permanent(CodeOutcomeInvalid, "the verification of step %s did not pass", st.Name)
	case makesCapture(st.Kind) && o.Capture == nil:
		return permanent(CodeOutcomeInvalid, "step %s was committed without a capture", st.Name)
	case makesCapture(st.Kind) && o.Capture.ID != st.Output:
		return permanent(CodeOutcomeInvalid, "step %s was committed with a capture other than %s", st.Name, st.Output)
	case !makesCapture(st.Kind) && o.Capture != nil && st.Input != nil && o.Capture.ID != st.Input.ID:
		return permanent(CodeOutcomeInvalid, "step %s was committed with a capture other than %s", st.Name, st.Input.ID)
	case o.Capture != nil && o.Capture.Application != application:
		return permanent(CodeOutcomeInvalid, "step %s was committed with a capture of another application than %s", st.Name, application)
	}
	return nil
}

// VerdictPassed is the only verdict that lets a step go on.
const VerdictPassed = "passed"

func makesCapture(kind events.StepKind) bool {
	return kind == events.StepCapture || kind == events.StepMask || kind == events.StepTransfer
}

func permanent(code, format string, args ...any) *events.Fault {
	return &events.Fault{Class: string(fault.Permanent), Code: code, Message: fmt.Sprintf(format, args...)}
}
