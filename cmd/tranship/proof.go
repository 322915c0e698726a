package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/internal/proof"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// writeProof prints the reports of the verify steps that a run completed, in words. A report that cannot be read is said to
// be there and not shown: the run is no less proven.
func writeProof(w io.Writer, run saga.State, seen *progress.Run) error {
	for _, st := range run.Steps {
		s := seen.Step(st.Name)
		if st.Kind != events.StepVerify || s == nil || len(s.Detail) == 0 {
			continue
		}
		var report proof.Report
		if err := json.Unmarshal(s.Detail, &report); err != nil {
			printLine(w, "\nStep %s left a report that this program cannot read; a newer one can.", s.Name)
			continue
		}
		if _, err := io.WriteString(w, "\n"+proofText(report)); err != nil {
			return err
		}
	}
	return nil
}

// proofText is a report in words, a fact on a line.
func proofText(r proof.Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Proof: %s", r.Verdict)
	line("  %-10s %s of application %s, %s, captured %s", "capture", r.Capture.ID, r.Application, r.Capture.Trust, r.CapturedAt.UTC().Format(time.RFC3339))
	for _, c := range r.Components {
		line("  %-10s %s (%s): %s in %s, %s; %s, %s, %s compared; %s",
			"equal", c.Name, c.Driver, count64(c.Rows, "row"), count(c.Objects, "object"), progress.Bytes(c.Bytes),
			count(c.Constraints, "constraint"), count(c.Indexes, "index"), count(c.Sequences, "sequence"), count(len(c.Differences), "difference"))
		for _, g := range c.Gaps {
			line("  %-10s %s: %s (%s)", "left out", oneLine(g.Object), oneLine(g.Reason), g.Code)
		}
	}
	if m := r.Masked; m != nil {
		line("  %-10s policy %s, epoch %d: %s; leak scan %s", "masked", m.Policy, m.Epoch, maskCounts(m.Masks), orNone(m.Scan))
		for _, text := range keepTexts(m.Keeps) {
			line("  %-10s %s", "kept", text)
		}
	}
	for _, move := range r.Moved {
		line("  %-10s from capture %s", "moved", move.From)
	}
	if r.Truncated {
		line("  %-10s the stored report has details that are left out here", "note")
	}
	return b.String()
}

// maskCounts writes how many columns each mask was used for.
func maskCounts(masks map[string]int) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(masks)) {
		words = append(words, fmt.Sprintf("%s %d", name, masks[name]))
	}
	return strings.Join(words, ", ")
}

func count64(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return progress.Count(n) + " " + noun + "s"
}

// keepTexts say what stays as it is in the masked copy, and who decided so: a line for each decision.
func keepTexts(keeps []mask.KeepStatement) []string {
	var decisions []string
	places := map[string][]string{}
	for _, k := range keeps {
		decision := oneLine(k.Reason)
		if k.ReviewedBy != "" {
			decision += " (" + oneLine(k.ReviewedBy) + ")"
		}
		if places[decision] == nil {
			decisions = append(decisions, decision)
		}
		places[decision] = append(places[decision], oneLine(k.Place))
	}
	lines := make([]string, len(decisions))
	for i, decision := range decisions {
		lines[i] = strings.Join(places[decision], ", ") + ": " + decision
	}
	return lines
}
