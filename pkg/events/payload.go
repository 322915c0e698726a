package events

import "errors"

// EventType returns the event type.
func (TaskScheduled) EventType() string { return TypeTaskScheduled }

// Validate checks the payload.
func (p TaskScheduled) Validate() error {
	if p.At.IsZero() {
		return errors.New("at: missing")
	}
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
	return first(validClaim(p.Attempt, p.Claim), under("outcome", p.Outcome.validate()))
}

// EventType returns the event type.
func (TaskFailed) EventType() string { return TypeTaskFailed }

// Validate checks the payload.
func (p TaskFailed) Validate() error {
	return first(validClaim(p.Attempt, p.Claim), under("error", p.Error.validate()))
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
	return first(needed("application", p.Application), under("cause", p.Cause.validate()))
}

// EventType returns the event type.
func (RunStarted) EventType() string { return TypeRunStarted }

// Validate checks the payload.
func (p RunStarted) Validate() error {
	return under("definition", p.Definition.Validate())
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
func (p RunResumed) Validate() error {
	if p.From == "" {
		return nil
	}
	return validStep("from", p.From)
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
	return first(validCapture("output", p.Output), under("stats", p.Stats.validate()))
}

// EventType returns the event type.
func (RunFailed) EventType() string { return TypeRunFailed }

// Validate checks the payload.
func (p RunFailed) Validate() error {
	if p.Step != "" {
		if err := validStep("step", p.Step); err != nil {
			return err
		}
	}
	return first(validID("task", p.Task), under("error", p.Error.validate()))
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
	return first(validNumber("generation", p.Generation), validCapture("input", p.Input), validID("output", p.Output))
}

// EventType returns the event type.
func (StepRestarted) EventType() string { return TypeStepRestarted }

// Validate checks the payload.
func (p StepRestarted) Validate() error {
	if p.Generation < 2 {
		return errors.New("generation: a restart counts from 2")
	}
	return first(validID("output", p.Output), under("reason", p.Reason.validate()))
}

// EventType returns the event type.
func (StepCompleted) EventType() string { return TypeStepCompleted }

// Validate checks the payload.
func (p StepCompleted) Validate() error {
	return first(validCapture("capture", p.Capture), under("stats", p.Stats.validate()), validDetail("detail", p.Detail))
}

// EventType returns the event type.
func (StepFailed) EventType() string { return TypeStepFailed }

// Validate checks the payload.
func (p StepFailed) Validate() error {
	return first(validTask("task", p.Task), under("error", p.Error.validate()))
}

// EventType returns the event type.
func (StepDead) EventType() string { return TypeStepDead }

// Validate checks the payload.
func (p StepDead) Validate() error {
	return first(validTask("task", p.Task), validNumber("attempts", p.Attempts))
}

// EventType returns the event type.
func (StepSkipped) EventType() string { return TypeStepSkipped }

// Validate checks the payload.
func (p StepSkipped) Validate() error {
	return needed("reason", p.Reason)
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
		return errors.New("policy: exactly one of policy and inline is needed")
	}
	if p.Policy == "" {
		if err := validResource("inline", p.Inline); err != nil {
			return err
		}
	}
	return under("cause", p.Cause.validate())
}

// EventType returns the event type.
func (ControlRequested) EventType() string { return TypeControlRequested }

// Validate checks the payload.
func (p ControlRequested) Validate() error {
	if err := oneOf("action", p.Action, "cancel", "pause", "resume", "retry"); err != nil {
		return err
	}
	if p.From == "" {
		return nil
	}
	return validStep("from", p.From)
}

// EventType returns the event type.
func (TimerFired) EventType() string { return TypeTimerFired }

// Validate checks the payload.
func (p TimerFired) Validate() error {
	return first(oneOf("kind", p.Kind, "deadline"), validStep("step", p.Step), validTask("task", p.Task), validAttempt(p.Attempt))
}

// EventType returns the event type.
func (CaptureCreated) EventType() string { return TypeCaptureCreated }

// Validate checks the payload.
func (p CaptureCreated) Validate() error {
	return first(under("capture", p.Capture.validate()), under("stats", p.Stats.validate()))
}

// EventType returns the event type.
func (CaptureVerified) EventType() string { return TypeCaptureVerified }

// Validate checks the payload.
func (p CaptureVerified) Validate() error {
	return under("capture", p.Capture.validate())
}

// EventType returns the event type.
func (EnvironmentReady) EventType() string { return TypeEnvironmentReady }

// Validate checks the payload.
func (p EnvironmentReady) Validate() error {
	return under("capture", p.Capture.validate())
}
