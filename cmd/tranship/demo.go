package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/demo/shop"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

const demoLong = `Makes a shop in a PostgreSQL server that it starts itself (customers, orders, payments, support notes, JSON profiles) and a
directory of invoices, two S3 stores that stand for two clouds, and every service in a process of its own. Then it captures
the shop, masks it, moves it to the other cloud, restores it there and proves that the copy is what was captured. In the
middle it kills a worker with SIGKILL; the run goes on.

It needs PostgreSQL's server programs and versitygw on this machine: "make demo" in the source tree installs both.`

// invoices is how many files the shop has.
const invoices = 400

// demoFlags are the flags of the command.
type demoFlags struct {
	dir       string
	customers int
	keep      bool
	noKill    bool
}

// newDemoCommand returns the command that shows the main job on real data.
func newDemoCommand(m *Main) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the main job on a shop that it makes itself",
		Long:  demoLong,
		Example: `  tranship demo
  tranship demo --customers 20000 --keep`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.demo(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", "", "`directory` for everything that it makes; a temporary one when empty")
	cmd.Flags().IntVar(&f.customers, "customers", 200_000, "`number` of customers; there are five orders for each")
	cmd.Flags().BoolVar(&f.keep, "keep", false, "leave everything running until interrupted")
	cmd.Flags().BoolVar(&f.noKill, "no-kill", false, "do not kill a worker in the middle")
	return cmd
}

func (m *Main) demo(ctx context.Context, f demoFlags) (err error) {
	if f.customers < 100 {
		return misuse("--customers must be at least 100")
	}
	dir, remove, err := demoDir(f.dir)
	if err != nil {
		return failed(err, "making a directory for the demonstration")
	}
	if !f.keep {
		defer remove()
	}
	binary, err := os.Executable()
	if err != nil {
		return failed(err, "finding this program")
	}
	s := &show{Main: m, out: m.Stdout, started: m.Clock.Now()}
	s.title("A shop, two clouds, and eight processes")
	world, err := demo.New(ctx, demo.Config{Binary: binary, Dir: dir, Masking: shop.Policy(), Say: s.line})
	if err != nil {
		return failed(err, "starting the demonstration")
	}
	defer world.Close()
	if err := s.makeShop(ctx, world, f.customers); err != nil {
		return failed(err, "making the shop")
	}
	m.flags.server, m.flags.tokenFile = world.Server, world.TokenFile
	c, err := m.gateway()
	if err != nil {
		return err
	}
	if _, err := c.Apply(ctx, []byte(world.Resources), false); err != nil {
		return failed(err, "applying the resources")
	}
	run, err := s.mainJob(ctx, c, world, !f.noKill)
	if err != nil {
		return err
	}
	if err := s.beforeAndAfter(ctx, world); err != nil {
		return failed(err, "comparing the rows")
	}
	if err := s.again(ctx, c); err != nil {
		return err
	}
	s.next(world, run, f.keep)
	if f.keep {
		<-ctx.Done()
	}
	return nil
}

func demoDir(dir string) (path string, remove func(), err error) {
	if dir == "" {
		dir, err = os.MkdirTemp("", "tranship-demo-")
		return dir, func() { _ = os.RemoveAll(dir) }, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", nil, fmt.Errorf("%s is not empty: choose another with --dir", dir)
	}
	return dir, func() {}, nil
}

// show is the demonstration as people see it.
type show struct {
	*Main
	out     io.Writer
	started time.Time
}

func (s *show) paint() palette { return palette{on: s.colours(s.out)} }

func (s *show) title(text string) {
	printLine(s.out, "")
	printLine(s.out, "%s", s.paint().bold("▌ "+text))
}

func (s *show) line(format string, args ...any) {
	printLine(s.out, "  %s  %s", s.paint().dim(fmt.Sprintf("%5.1fs", s.Clock.Now().Sub(s.started).Seconds())), fmt.Sprintf(format, args...))
}

// makeShop fills the source.
func (s *show) makeShop(ctx context.Context, w *demo.World, customers int) error {
	size := shop.Standard
	if customers != size.Customers {
		size = shop.Size{Customers: customers, Orders: 5 * customers, Payments: 3 * customers / 2, Notes: customers / 2}
	}
	s.line("making a shop with %s customers and %s orders", progress.Count(int64(size.Customers)), progress.Count(int64(size.Orders)))
	if err := w.Postgres.CreateDatabase(ctx, demo.SourceDatabase); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.Postgres.DSN(demo.SourceDatabase))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := shop.Create(ctx, conn, size, func(what string) { s.line("%s", what) }); err != nil {
		return err
	}
	s.line("making a directory of %d invoices", invoices)
	return shop.Invoices(w.Invoices, invoices)
}

// mainJob runs the policy, kills a masker in the middle and brings it back.
func (s *show) mainJob(ctx context.Context, c *client.Client, w *demo.World, kill bool) (string, error) {
	s.title("capture → mask → transfer → restore → verify")
	started, err := c.StartRun(ctx, client.RunRequest{Policy: demo.Policy, Cause: "cli"})
	if err != nil {
		return "", failed(err, "starting the run")
	}
	display := s.display()
	var seen progress.Run
	var killing sync.WaitGroup
	killed := !kill
	for e, err := range c.Events(ctx, started.Run, client.EventsOptions{}) {
		switch {
		case err != nil:
			display.Close()
			return "", failed(err, "watching run %s", started.Run)
		case e.Journal != nil:
			seen.Apply(*e.Journal)
			if err := display.Event(*e.Journal); err != nil {
				return "", err
			}
			if worker := maskerAtWork(*e.Journal); worker != "" && !killed {
				killed = true
				if p := processOf(w, worker); p != nil {
					display.Note(fmt.Sprintf("now %s is killed with SIGKILL, in the middle of its work", p.Name))
					killing.Go(func() { revive(ctx, p, display) })
				}
			}
		case e.Progress != nil:
			display.Progress(*e.Progress)
		}
	}
	killing.Wait()
	display.Close()
	state, err := c.Run(ctx, started.Run)
	if err != nil {
		return "", failed(err, "reading how run %s ended", started.Run)
	}
	return started.Run, s.conclude(state, &seen)
}

// maskerAtWork returns the name of the worker when the event says that a masker has claimed a bundle.
func maskerAtWork(e event.Event) string {
	if e.Type() != events.TypeTaskClaimed {
		return ""
	}
	at, err := events.AddressOf(e)
	if err != nil || at.Service != "masker" || at.Task == events.TaskPlan || at.Task == events.TaskDraft || at.Task == events.TaskCommit {
		return ""
	}
	claimed, err := events.Data[events.TaskClaimed](e)
	if err != nil {
		return ""
	}
	return claimed.Worker
}

// processOf returns the process that a worker's name ends with the id of.
func processOf(w *demo.World, worker string) *demo.Process {
	for _, p := range w.Processes {
		if strings.HasSuffix(worker, fmt.Sprintf("/%d", p.PID())) {
			return p
		}
	}
	return nil
}

// revive kills a process shortly after its claim, and starts it again a little later.
func revive(ctx context.Context, p *demo.Process, display progress.Display) {
	pause(ctx, 700*time.Millisecond)
	if err := p.Kill(); err != nil {
		display.Note(fmt.Sprintf("%s could not be killed: %v", p.Name, err))
		return
	}
	pause(ctx, 2*time.Second)
	if err := p.Start(ctx); err != nil && !errors.Is(err, context.Canceled) {
		display.Note(fmt.Sprintf("%s did not come back: %v", p.Name, err))
		return
	}
	display.Note(p.Name + " is back")
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// beforeAndAfter shows customers of both databases side by side.
func (s *show) beforeAndAfter(ctx context.Context, w *demo.World) error {
	s.title("The same customers, before and after")
	var samples [2][]shop.Customer
	for i, database := range []string{demo.SourceDatabase, demo.TargetDatabase} {
		conn, err := pgx.Connect(ctx, w.Postgres.DSN(database))
		if err != nil {
			return err
		}
		samples[i], err = shop.Sample(ctx, conn, 2)
		_ = conn.Close(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
	}
	t := newTable("", "PRODUCTION", "CLONE")
	for i := range min(len(samples[0]), len(samples[1])) {
		if i > 0 {
			t.add("", "", "")
		}
		a, b := samples[0][i], samples[1][i]
		for _, row := range [][3]string{
			{"id", a.ID, b.ID}, {"name", a.Name, b.Name}, {"e-mail", a.Email, b.Email}, {"phone", a.Phone, b.Phone}, {"born", a.Born, b.Born},
			{"street", a.Street, b.Street}, {"card", a.Card, b.Card}, {"note", excerpt(a.Note), excerpt(b.Note)},
		} {
			t.add(row[:]...)
		}
	}
	return t.write(s.out, s.width(), s.paint())
}

// excerpt shortens a text to what fits beside another.
func excerpt(text string) string {
	const most = 44
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// again captures the shop once more, to show what deduplication saves.
func (s *show) again(ctx context.Context, c *client.Client) error {
	s.title("The same shop, captured once more")
	inline := fmt.Sprintf(`{"spec": {"applications": {"names": [%q]}, "steps": [{"capture": {"to": %q}}]}}`, demo.Application, demo.Vault)
	started, err := c.StartRun(ctx, client.RunRequest{Inline: []byte(inline), Cause: "cli"})
	if err != nil {
		return failed(err, "starting the second capture")
	}
	for _, err := range c.Events(ctx, started.Run, client.EventsOptions{}) {
		if err != nil {
			return failed(err, "watching run %s", started.Run)
		}
	}
	run, err := c.Run(ctx, started.Run)
	if err != nil {
		return failed(err, "reading how run %s ended", started.Run)
	}
	if run.Status != saga.RunCompleted {
		return s.runFailure(run)
	}
	st := run.Stats
	s.line("%s read, %s already in the vault, %s sent: deduplication saved %.1f %%", progress.Bytes(st.Bytes), progress.Bytes(st.Skipped), progress.Bytes(st.Stored), 100*float64(st.Skipped)/float64(max(1, st.Bytes)))
	return nil
}

// next says what to type, while everything runs or after it.
func (s *show) next(w *demo.World, run string, keep bool) {
	s.title("What to type next")
	if !keep {
		s.hint("tranship demo --keep", "leaves all of this running, to look around in")
		s.hint("tranship init --help", "makes a configuration for a database of yours")
		return
	}
	s.hint("export TRANSHIP_SERVER="+w.Server+" TRANSHIP_TOKEN_FILE="+w.TokenFile, "")
	s.hint("tranship runs show "+run, "what the run did")
	s.hint("tranship captures ls --location "+demo.TestCloud, "what there is in the second cloud")
	s.hint("tranship get policies -o yaml", "what was applied")
	s.hint("psql "+quoteShell(w.Postgres.SocketDSN(demo.TargetDatabase)), "the clone")
	printLine(s.out, "")
	printLine(s.out, "  Everything runs until you press Ctrl-C. Logs are in %s", filepath.Join(w.Dir, "logs"))
}

func (s *show) hint(command, meaning string) {
	if meaning != "" {
		meaning = s.paint().dim("  # " + meaning)
	}
	printLine(s.out, "  %s%s", command, meaning)
}

func quoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
