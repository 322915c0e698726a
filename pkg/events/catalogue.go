package events

import (
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Catalogue lists an empty payload of every event type of this version.
func Catalogue() []Payload {
	return []Payload{
		CaptureRequested{},
		MaskRequested{},
		ScanRequested{},
		TransferRequested{},
		RestoreRequested{},
		VerifyRequested{},
		CaptureCompensate{},
		MaskCompensate{},
		TransferCompensate{},
		RestoreCompensate{},
		TaskScheduled{},
		TaskClaimed{},
		TaskCompleted{},
		TaskFailed{},
		TaskTimedOut{},
		TaskCanceled{},
		RunRequested{},
		RunStarted{},
		RunPaused{},
		RunResumed{},
		RunCancelRequested{},
		RunCompensating{},
		RunCompensated{},
		RunCompleted{},
		RunFailed{},
		RunCanceled{},
		StepStarted{},
		StepRestarted{},
		StepCompleted{},
		StepFailed{},
		StepDead{},
		StepSkipped{},
		StepCompensated{},
		TriggerFired{},
		ControlRequested{},
		TimerFired{},
		CaptureCreated{},
		CaptureVerified{},
		EnvironmentReady{},
	}
}

// Decoded decodes and validates the payload of any event of the catalogue. It returns ErrType for another type.
func Decoded(e event.Event) (Payload, error) {
	switch e.Type() {
	case TypeCaptureRequested:
		return decoded[CaptureRequested](e)
	case TypeMaskRequested:
		return decoded[MaskRequested](e)
	case TypeScanRequested:
		return decoded[ScanRequested](e)
	case TypeTransferRequested:
		return decoded[TransferRequested](e)
	case TypeRestoreRequested:
		return decoded[RestoreRequested](e)
	case TypeVerifyRequested:
		return decoded[VerifyRequested](e)
	case TypeCaptureCompensate:
		return decoded[CaptureCompensate](e)
	case TypeMaskCompensate:
		return decoded[MaskCompensate](e)
	case TypeTransferCompensate:
		return decoded[TransferCompensate](e)
	case TypeRestoreCompensate:
		return decoded[RestoreCompensate](e)
	case TypeTaskScheduled:
		return decoded[TaskScheduled](e)
	case TypeTaskClaimed:
		return decoded[TaskClaimed](e)
	case TypeTaskCompleted:
		return decoded[TaskCompleted](e)
	case TypeTaskFailed:
		return decoded[TaskFailed](e)
	case TypeTaskTimedOut:
		return decoded[TaskTimedOut](e)
	case TypeTaskCanceled:
		return decoded[TaskCanceled](e)
	case TypeRunRequested:
		return decoded[RunRequested](e)
	case TypeRunStarted:
		return decoded[RunStarted](e)
	case TypeRunPaused:
		return decoded[RunPaused](e)
	case TypeRunResumed:
		return decoded[RunResumed](e)
	case TypeRunCancelRequested:
		return decoded[RunCancelRequested](e)
	case TypeRunCompensating:
		return decoded[RunCompensating](e)
	case TypeRunCompensated:
		return decoded[RunCompensated](e)
	case TypeRunCompleted:
		return decoded[RunCompleted](e)
	case TypeRunFailed:
		return decoded[RunFailed](e)
	case TypeRunCanceled:
		return decoded[RunCanceled](e)
	case TypeStepStarted:
		return decoded[StepStarted](e)
	case TypeStepRestarted:
		return decoded[StepRestarted](e)
	case TypeStepCompleted:
		return decoded[StepCompleted](e)
	case TypeStepFailed:
		return decoded[StepFailed](e)
	case TypeStepDead:
		return decoded[StepDead](e)
	case TypeStepSkipped:
		return decoded[StepSkipped](e)
	case TypeStepCompensated:
		return decoded[StepCompensated](e)
	case TypeTriggerFired:
		return decoded[TriggerFired](e)
	case TypeControlRequested:
		return decoded[ControlRequested](e)
	case TypeTimerFired:
		return decoded[TimerFired](e)
	case TypeCaptureCreated:
		return decoded[CaptureCreated](e)
	case TypeCaptureVerified:
		return decoded[CaptureVerified](e)
	case TypeEnvironmentReady:
		return decoded[EnvironmentReady](e)
	}
	return nil, fmt.Errorf("%w: %q", ErrType, e.Type())
}

func decoded[P Payload](e event.Event) (Payload, error) {
	p, err := Data[P](e)
	if err != nil {
		return nil, err
	}
	return p, nil
}
