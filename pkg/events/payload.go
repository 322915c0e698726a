package events

import (
	"errors"
	"fmt"
)

// EventType returns the event type.
func (TaskScheduled) EventType() string { return TypeTaskScheduled }

// Validate checks the payload.
func (p TaskScheduled) Validate() error {
	return validAttempt(p.Attempt)
}

// EventType returns the event type.
func (TaskClaimed) EventType() string { return TypeTaskClaimed }

// Validate checks the payload.
func (p TaskClaimed) Validate() error {
	return validClaim(p.Attempt, p.Claim)
}

// EventType returns the event type.
func (TaskCompleted) EventType() string { return TypeTaskCompleted }

// Validate checks the payload.
func (p TaskCompleted) Validate() error {
	if err := validCapture("outcome.capture", p.Outcome.Capture); err != nil {
		return err
	}
	return validClaim(p.Attempt, p.Claim)
}

// EventType returns the event type.
func (TaskFailed) EventType() string { return TypeTaskFailed }

// Validate checks the payload.
func (p TaskFailed) Validate() error {
	if err := p.Error.validate(); err != nil {
		return err
	}
	return validClaim(p.Attempt, p.Claim)
}

// EventType returns the event type.
func (TaskTimedOut) EventType() string { return TypeTaskTimedOut }

// Validate checks the payload.
func (p TaskTimedOut) Validate() error {
	return validAttempt(p.Attempt)
}

// EventType returns the event type.
func (TaskCanceled) EventType() string { return TypeTaskCanceled }

// Validate checks the payload.
func (p TaskCanceled) Validate() error {
	return validAttempt(p.Attempt)
}

// EventType returns the event type.
func (RunRequested) EventType() string { return TypeRunRequested }

// Validate checks the payload.
func (p RunRequested) Validate() error {
	if p.Application == "" || p.Cause.Kind == "" {
		return errors.New("application and cause.kind are needed")
	}
	return nil
}

// EventType returns the event type.
func (RunStarted) EventType() string { return TypeRunStarted }

// Validate checks the payload.
func (p RunStarted) Validate() error {
	if err := p.Definition.Validate(); err != nil {
		return fmt.Errorf("definition.%w", err)
	}
	return nil
}

// EventType returns the event type.
func (RunPaused) EventType() string { return TypeRunPaused }

// Validate checks the payload.
func (RunPaused) Validate() error {
	return nil
}

// EventType returns the event type.
func (RunResumed) EventType() string { return TypeRunResumed }

// Validate checks the payload.
func (RunResumed) Validate() error {
	return nil
}

// EventType returns the event type.
func (RunCancelRequested) EventType() string { return TypeRunCancelRequested }

// Validate checks the payload.
func (RunCancelRequested) Validate() error {
	return nil
}

// EventType returns the event type.
func (RunCompensating) EventType() string { return TypeRunCompensating }

// Validate checks the payload.
func (RunCompensating) Validate() error {
	return nil
}

// EventType returns the event type.
func (RunCompensated) EventType() string { return TypeRunCompensated }

// Validate checks the payload.
func (RunCompensated) Validate() error {
	return nil
}

// EventType returns the event type.
func (RunCompleted) EventType() string { return TypeRunCompleted }

// Validate checks the payload.
func (p RunCompleted) Validate() error {
	return validCapture("output", p.Output)
}

// EventType returns the event type.
func (RunFailed) EventType() string { return TypeRunFailed }

// Validate checks the payload.
func (p RunFailed) Validate() error {
	return p.Error.validate()
}

// EventType returns the event type.
func (RunCanceled) EventType() string { return TypeRunCanceled }

// Validate checks the payload.
func (RunCanceled) Validate() error {
	return nil
}

// EventType returns the event type.
func (StepStarted) EventType() string { return TypeStepStarted }

// Validate checks the payload.
func (p StepStarted) Validate() error {
	if p.Generation < 1 {
		return errors.New("generation: counts from 1")
	}
	return validCapture("input", p.Input)
}

// EventType returns the event type.
func (StepRestarted) EventType() string { return TypeStepRestarted }

// Validate checks the payload.
func (p StepRestarted) Validate() error {
	if p.Generation < 2 {
		return errors.New("generation: a restart counts from 2")
	}
	return p.Reason.validate()
}

// EventType returns the event type.
func (StepCompleted) EventType() string { return TypeStepCompleted }

// Validate checks the payload.
func (p StepCompleted) Validate() error {
	return validCapture("capture", p.Capture)
}

// EventType returns the event type.
func (StepFailed) EventType() string { return TypeStepFailed }

// Validate checks the payload.
func (p StepFailed) Validate() error {
	return p.Error.validate()
}

// EventType returns the event type.
func (StepDead) EventType() string { return TypeStepDead }

// Validate checks the payload.
func (p StepDead) Validate() error {
	if p.Task == "" {
		return errors.New("task: missing")
	}
	return nil
}

// EventType returns the event type.
func (StepSkipped) EventType() string { return TypeStepSkipped }

// Validate checks the payload.
func (p StepSkipped) Validate() error {
	if p.Reason == "" {
		return errors.New("reason: missing")
	}
	return nil
}

// EventType returns the event type.
func (StepCompensated) EventType() string { return TypeStepCompensated }

// Validate checks the payload.
func (StepCompensated) Validate() error {
	return nil
}

// EventType returns the event type.
func (TriggerFired) EventType() string { return TypeTriggerFired }

// Validate checks the payload.
func (p TriggerFired) Validate() error {
	if (p.Policy == "") == (len(p.Inline) == 0) {
		return errors.New("exactly one of policy and inline is needed")
	}
	return nil
}

// EventType returns the event type.
func (ControlRequested) EventType() string { return TypeControlRequested }

// Validate checks the payload.
func (p ControlRequested) Validate() error {
	switch p.Action {
	case "cancel", "pause", "resume", "retry":
		return nil
	}
	return fmt.Errorf("action: %q is not one of cancel, pause, resume, retry", p.Action)
}

// EventType returns the event type.
func (TimerFired) EventType() string { return TypeTimerFired }

// Validate checks the payload.
func (p TimerFired) Validate() error {
	if p.Kind == "" || p.Step == "" || p.Task == "" {
		return errors.New("kind, step and task are needed")
	}
	return validAttempt(p.Attempt)
}

// EventType returns the event type.
func (CaptureCreated) EventType() string { return TypeCaptureCreated }

// Validate checks the payload.
func (p CaptureCreated) Validate() error {
	return validCapture("capture", &p.Capture)
}

// EventType returns the event type.
func (CaptureVerified) EventType() string { return TypeCaptureVerified }

// Validate checks the payload.
func (p CaptureVerified) Validate() error {
	return validCapture("capture", &p.Capture)
}

// EventType returns the event type.
func (EnvironmentReady) EventType() string { return TypeEnvironmentReady }

// Validate checks the payload.
func (p EnvironmentReady) Validate() error {
	return validCapture("capture", &p.Capture)
}
