package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/client"
)

func newCapturesCommand(m *Main) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "captures",
		Short: "List and show the captures in a location",
		Long: `Lists and shows captures, as far as no key is needed: the clear part of their manifests. Names of tables and files are in
the sealed part, which only holders of the location's private key can read.`,
	}
	cmd.AddCommand(newCapturesListCommand(m), newCapturesShowCommand(m))
	return cmd
}

func newCapturesListCommand(m *Main) *cobra.Command {
	var q client.CapturesQuery
	cmd := &cobra.Command{
		Use:     "ls --location LOCATION",
		Aliases: []string{"list"},
		Short:   "List the captures in a location",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 || q.Limit > client.MaxCaptures {
				return misuse("--limit must be from 1 to %d", client.MaxCaptures)
			}
			c, err := m.gateway()
			if err != nil {
				return err
			}
			list, err := c.Captures(cmd.Context(), q)
			if err != nil {
				return failed(err, "listing the captures in location %s", q.Location)
			}
			if err := m.print(list, func(wide bool) *table { return m.capturesTable(list, q.Location, wide) }); err != nil {
				return err
			}
			for _, problem := range list.Unreadable {
				m.note("unreadable: %s", oneLine(problem))
			}
			if list.Next != "" && !m.flags.output.structured() {
				m.note("more with: --after %s", list.Next)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Location, "location", "", "`location` to look into")
	f.StringVar(&q.Application, "application", "", "`name` of the application whose captures are listed; all when absent")
	f.IntVar(&q.Limit, "limit", 100, "most `captures` to list")
	f.StringVar(&q.After, "after", "", "go on behind this `place`, which an earlier list named")
	requireLocation(cmd)
	return cmd
}

func requireLocation(cmd *cobra.Command) {
	if err := cmd.MarkFlagRequired("location"); err != nil {
		panic(err)
	}
}

func (m *Main) capturesTable(list client.CaptureList, location string, wide bool) *table {
	header := []string{"CAPTURE", "APPLICATION", "TRUST", "BYTES", "STORED", "VERIFIED", "AGE"}
	if wide {
		header = append(header, "STREAMS", "RUN", "RETIRED", "ROOT")
	}
	t := newTable(header...)
	t.empty = "There are no captures in location " + location + "."
	for _, c := range list.Items {
		verified := "no"
		if len(c.Verified) > 0 {
			verified = "yes"
		}
		row := []string{c.ID, c.Application, c.Trust, size(c.Bytes), size(c.Stored), verified, m.since(c.Created)}
		if wide {
			row = append(row, strconv.FormatInt(c.Streams, 10), c.Run, strconv.FormatBool(c.Retired), c.Root)
		}
		t.add(row...)
	}
	return t
}

func newCapturesShowCommand(m *Main) *cobra.Command {
	var location, application string
	cmd := &cobra.Command{
		Use:   "show CAPTURE --location LOCATION",
		Short: "Show a capture: sizes, digests and lineage",
		Args:  wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := m.gateway()
			if err != nil {
				return err
			}
			capture, err := c.Capture(cmd.Context(), location, application, args[0])
			if err != nil {
				return failed(err, "reading capture %s in location %s", args[0], location)
			}
			if m.flags.output.structured() {
				return writeValue(m.Stdout, capture, m.flags.output)
			}
			return m.showCapture(capture)
		},
	}
	cmd.Flags().StringVar(&location, "location", "", "`location` that the capture is in")
	cmd.Flags().StringVar(&application, "application", "", "`name` of its application, which saves a search")
	requireLocation(cmd)
	return cmd
}

func (m *Main) showCapture(c client.Capture) error {
	field := func(name, value string) {
		if value != "" {
			printLine(m.Stdout, "%-13s %s", name+":", oneLine(value))
		}
	}
	field("Capture", c.ID)
	field("Application", c.Application)
	field("Location", c.Location)
	field("Trust", c.Trust)
	field("Point", c.Created.UTC().Format(time.RFC3339)+" ("+m.since(c.Created)+" ago)")
	field("Run", c.Run)
	field("Size", size(c.Bytes)+" in "+count(int(c.Streams), "stream")+", "+orZero(size(c.Stored))+" added to the location")
	field("Manifest", c.Digest)
	field("Content", c.Root)
	if k := c.Masking; k != nil {
		field("Masking", "policy "+k.Policy+", epoch "+strconv.Itoa(k.Epoch)+", engine "+k.Engine+", leak scan "+orNone(k.Verdict))
	}
	for _, p := range c.Parents {
		field("Parent", p.Relation+" "+orNone(p.Capture)+" "+p.Manifest)
	}
	for _, run := range c.Verified {
		field("Verified by", "run "+run)
	}
	if c.Retired {
		field("Retired", "yes: it is deleted when nothing needs it")
	}
	if len(c.Artifacts) == 0 || m.flags.output != formatWide {
		return nil
	}
	t := newTable("STREAM", "BYTES", "STORED", "CHUNKS")
	for _, a := range c.Artifacts {
		t.add(a.Stream, orZero(size(a.Bytes)), orZero(size(a.Stored)), strconv.FormatInt(a.Chunks, 10))
	}
	printLine(m.Stdout, "")
	return t.write(m.Stdout, m.width(), palette{on: m.colours(m.Stdout)})
}

func orZero(s string) string {
	if s == "" {
		return "0 B"
	}
	return s
}
