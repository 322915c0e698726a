package api

// Policy says which applications go through which steps, when, and what is kept.
type Policy struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata"`
	Spec       PolicySpec `json:"spec"`
}

// PolicySpec is the content of a policy.
type PolicySpec struct {
	Applications ApplicationSelector `json:"applications" jsonschema_description:"Applications that the policy is about; each has runs of its own."`
	Schedule     *Schedule           `json:"schedule,omitempty" jsonschema_description:"Starts runs by the clock."`
	Triggers     []Trigger           `json:"triggers,omitempty" jsonschema_description:"Start runs from outside."`
	Params       map[string]Param    `json:"params,omitempty" jsonschema_description:"Parameters that a run may be given, which templates can use."`
	Steps        []Step              `json:"steps" jsonschema:"minItems=1" jsonschema_description:"Stages of a run, in order."`
	Retention    *Retention          `json:"retention,omitempty" jsonschema_description:"Captures that are kept; all when absent."`
	Retry        *Retry              `json:"retry,omitempty" jsonschema_description:"How often a task is tried again."`
}

// ApplicationSelector selects applications: those of Names, or all that meet every other condition.
type ApplicationSelector struct {
	Names         []string          `json:"names,omitempty" jsonschema_description:"Names of applications."`
	MatchLabels   map[string]string `json:"matchLabels,omitempty" jsonschema_description:"Labels that an application must carry."`
	Clusters      []string          `json:"clusters,omitempty" jsonschema_description:"Clusters that an application must be on one of."`
	WithComponent string            `json:"withComponent,omitempty" jsonschema_description:"Kind of component that an application must have."`
}

// Schedule is a cron line in a time zone.
type Schedule struct {
	Cron     string `json:"cron" jsonschema_description:"Five fields (minute hour day month weekday) or @hourly, @daily, @weekly, @monthly."`
	TimeZone string `json:"timeZone,omitempty" jsonschema_description:"Name from the IANA database; UTC when absent."`
}

// Trigger starts a run when something happens.
type Trigger struct {
	Event  *EventTrigger     `json:"event,omitempty" jsonschema_description:"A CloudEvent."`
	Params map[string]string `json:"params,omitempty" jsonschema_description:"CEL expression of each parameter's value."`
}

// EventTrigger selects CloudEvents.
type EventTrigger struct {
	Type   string `json:"type" jsonschema_description:"Type of the event; a * at its end matches the rest."`
	Filter string `json:"filter,omitempty" jsonschema_description:"CEL expression over event that must be true."`
}

// Param is a parameter of a policy's runs.
type Param struct {
	Pattern string `json:"pattern" jsonschema_description:"Regular expression (RE2) that the whole value must match."`
	Default string `json:"default,omitempty" jsonschema_description:"Value when a run names none; the run must name one when absent."`
}

// Retention says how many captures stay, each count on its own: a capture stays when any of them wants it.
type Retention struct {
	KeepLast         int `json:"keepLast,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest captures."`
	KeepLastVerified int `json:"keepLastVerified,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest captures that were proven to restore."`
	Hourly           int `json:"hourly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each hour, for so many hours."`
	Daily            int `json:"daily,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each day, for so many days."`
	Weekly           int `json:"weekly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each ISO week, for so many weeks."`
	Monthly          int `json:"monthly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each month, for so many months."`
	Yearly           int `json:"yearly,omitempty" jsonschema:"minimum=0" jsonschema_description:"Newest capture of each year, for so many years."`
}

// Retry says how a task is tried again: after base, doubled each time up to cap.
type Retry struct {
	MaxAttempts int      `json:"maxAttempts,omitempty" jsonschema:"minimum=1" jsonschema_description:"Attempts before the run fails."`
	Base        Duration `json:"base,omitempty" jsonschema_description:"Pause after the first failure."`
	Cap         Duration `json:"cap,omitempty" jsonschema_description:"Longest pause."`
}
