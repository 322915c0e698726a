package events

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Stage is the token of a stage in subjects, permissions and consumers. The leak scan that gates masking is a stage of
// its own, because it runs as a process and an identity of its own.
type Stage string

// The stages.
const (
	StageCapture  Stage = "capture"
	StageMask     Stage = "mask"
	StageScan     Stage = "scan"
	StageTransfer Stage = "transfer"
	StageRestore  Stage = "restore"
	StageVerify   Stage = "verify"
)

// Stages lists every stage in the order of a run.
func Stages() []Stage {
	return []Stage{StageCapture, StageMask, StageScan, StageTransfer, StageRestore, StageVerify}
}

// LocalCluster is the cluster token of workers outside Kubernetes.
const LocalCluster = "local"

// Ids of the tasks that are not work items. Work items are "1" to "256".
const (
	TaskPlan       = "0"
	TaskDraft      = "draft" // of a mask step: the manifest before its second signature
	TaskScan       = "scan"
	TaskCommit     = "commit"
	TaskCompensate = "compensate"
)

// MaxTasks is the largest number of work items of one step.
const MaxTasks = 256

// WorkTask returns the id of work item i, which counts from 1.
func WorkTask(i int) string { return strconv.Itoa(i) }

var (
	dnsLabel  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	idPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
)

// RunSubject is where the decisions about a run stand.
func RunSubject(tenant, run string) string { return "saga." + tenant + "." + run + ".run" }

// RunFilter matches everything in a run's journal.
func RunFilter(tenant, run string) string { return "saga." + tenant + "." + run + ".>" }

// TaskSubject is where the facts of one task stand.
func TaskSubject(tenant, run string, stage Stage, cluster, step, task string) string {
	return strings.Join([]string{"saga", tenant, run, string(stage), cluster, step, task}, ".")
}

// WorkSubject is where the commands of one task go.
func WorkSubject(stage Stage, cluster, tenant, run, step, task string) string {
	return strings.Join([]string{"work", string(stage), cluster, tenant, run, step, task}, ".")
}

// CheckpointKey is the key of a task's checkpoint.
func CheckpointKey(stage Stage, cluster, tenant, run, step, task string) string {
	return strings.Join([]string{string(stage), cluster, tenant, run, step, task}, ".")
}

// TriggerSubject is where a request to start or control a run goes.
func TriggerSubject(tenant, run string) string { return "work.trigger." + tenant + "." + run }

// TimerSubject is where a run's timers fire.
func TimerSubject(tenant, run string) string { return "work.timer." + tenant + "." + run }

// ScheduleSubject is where the one schedule with this name stands: a retry, a deadline or a cron entry.
func ScheduleSubject(name ...string) string { return "at." + strings.Join(name, ".") }

// ParseTaskSubject takes a task's subject apart. The address names no service. A subject with wildcards, or of a stage that
// does not exist, is ErrInvalid.
func ParseTaskSubject(subject string) (a Address, stage Stage, cluster string, err error) {
	t := strings.Split(subject, ".")
	if len(t) != 7 || t[0] != "saga" {
		return a, "", "", fmt.Errorf("%w: %q is not the subject of a task", ErrInvalid, subject)
	}
	a = Address{Tenant: t[1], Run: t[2], Step: t[5], Task: t[6]}
	stage, cluster = Stage(t[3]), t[4]
	switch {
	case !slices.Contains(Stages(), stage):
		return Address{}, "", "", fmt.Errorf("%w: there is no stage %q", ErrInvalid, stage)
	case !dnsLabel.MatchString(cluster):
		return Address{}, "", "", fmt.Errorf("%w: cluster %q is not a DNS label", ErrInvalid, cluster)
	case a.Step == "" || a.Task == "":
		return Address{}, "", "", fmt.Errorf("%w: %q names no task", ErrInvalid, subject)
	}
	if err := a.validatePlace(); err != nil {
		return Address{}, "", "", err
	}
	return a, stage, cluster, nil
}

func (a Address) validate() error {
	if !dnsLabel.MatchString(a.Service) {
		return fmt.Errorf("%w: service %q is not a DNS label", ErrInvalid, a.Service)
	}
	return a.validatePlace()
}

// validatePlace checks all but the service.
func (a Address) validatePlace() error {
	switch {
	case !dnsLabel.MatchString(a.Tenant):
		return fmt.Errorf("%w: tenant %q is not a DNS label", ErrInvalid, a.Tenant)
	case !idPattern.MatchString(a.Run):
		return fmt.Errorf("%w: run %q is not an id", ErrInvalid, a.Run)
	case a.Step != "" && !dnsLabel.MatchString(a.Step):
		return fmt.Errorf("%w: step %q is not a DNS label", ErrInvalid, a.Step)
	case a.Task != "" && (a.Step == "" || !idPattern.MatchString(a.Task)):
		return fmt.Errorf("%w: task %q of step %q is not an id", ErrInvalid, a.Task, a.Step)
	}
	return nil
}
