package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/pkg/events"
)

// Where the report on unclassified places and the patch for the policy are written.
const (
	unclassifiedFile = "unclassified.json"
	patchFile        = "masking-patch.yaml"
)

// codeUnclassified is the code of a run that met something that its masking policy does not cover.
const codeUnclassified = "mask.unclassified"

// writeUnclassified writes what a masking policy does not cover to a file, and rules for it to another one. It returns what
// to tell about it, or "" when the fault is another one or the files could not be written; they are a help, not a result.
func (m *Main) writeUnclassified(f events.Fault) string {
	if f.Code != codeUnclassified || len(f.Details) == 0 {
		return ""
	}
	var report struct {
		Total        int                 `json:"total"`
		Unclassified []mask.Unclassified `json:"unclassified"`
	}
	if err := json.Unmarshal(f.Details, &report); err != nil || len(report.Unclassified) == 0 {
		return ""
	}
	var text bytes.Buffer
	if err := json.Indent(&text, f.Details, "", "  "); err != nil {
		return ""
	}
	text.WriteByte('\n')
	if err := os.WriteFile(unclassifiedFile, text.Bytes(), 0o644); err != nil {
		m.note("warning: %s could not be written: %v", unclassifiedFile, err)
		return ""
	}
	patch := (&mask.UnclassifiedError{Items: report.Unclassified}).Patch()
	if err := os.WriteFile(patchFile, patch, 0o644); err != nil {
		m.note("warning: %s could not be written: %v", patchFile, err)
		return "the places are listed in " + unclassifiedFile
	}
	hint := fmt.Sprintf("the places are listed in %s; %s proposes rules for them: review it, add it to the masking policy, apply it and start a new run (a retry keeps the policy that this run started with)", unclassifiedFile, patchFile)
	if left := report.Total - len(report.Unclassified); left > 0 {
		hint += fmt.Sprintf(" (%d more did not fit into the report: they show up in the next run)", left)
	}
	return hint
}
