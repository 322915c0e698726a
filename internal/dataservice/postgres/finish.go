package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/dataservice"
)

// Steps of finishing that are not statements of the script.
const (
	stepSequences = "sequences"
	stepAnalyze   = "analyze"
)

// Finish executes the definitions that go after the data, sets the sequences and gathers statistics.
func (t *target) Finish(ctx context.Context, c dataservice.Component, open dataservice.OpenUnit) error {
	err := t.complete(ctx, c, open)
	if err == nil {
		err = t.withSession(ctx, func(conn *pgx.Conn) error { return t.setSequences(ctx, conn, c.Catalogue.Sequences) })
	}
	if err == nil {
		err = t.analyze(ctx, &c.Catalogue)
	}
	return t.failed("finish", err)
}

// complete executes the second part of the schema.
func (t *target) complete(ctx context.Context, c dataservice.Component, open dataservice.OpenUnit) error {
	unit, err := unitOf(c, kindPost)
	if err != nil {
		return err
	}
	var known map[string]bool
	done := false
	err = t.withSession(ctx, func(conn *pgx.Conn) error {
		if done, err = t.progress.claim(ctx, conn, unitPost); err != nil || done {
			return err
		}
		known, err = knownSettings(ctx, conn)
		return err
	})
	if err != nil || done {
		return err
	}
	r, err := open(ctx, unit)
	if err != nil {
		return fmt.Errorf("open unit %s: %w", unit.Unit.ID, err)
	}
	defer func() { _ = r.Close() }()
	script := &postScript{statements: splitStatements(r), known: known}
	crew := &crew{target: t}
	defer crew.close(ctx)
	for {
		batch, err := script.batch()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := crew.execute(ctx, batch, script.settings); err != nil {
			return err
		}
	}
	return t.withSession(ctx, func(conn *pgx.Conn) error {
		_, err := t.progress.step(ctx, conn, unitPost, func() error { return nil })
		return err
	})
}

// numbered is a statement with its place in the script: both stay the same when the script is read again.
type numbered struct {
	number int
	text   string
	after  int // how many settings of the script come before it
}

// postScript reads a script as batches of statements that may be executed side by side. The script is in an order that
// respects every dependency, so only neighbours of the same class share a batch.
type postScript struct {
	statements *statements
	known      map[string]bool
	settings   []string
	number     int
	pending    *numbered // read, and not fit for the batch before
	ahead      class
}

// batchAtMost bounds the statements that are held at once.
const batchAtMost = 1000

func (p *postScript) batch() ([]numbered, error) {
	var batch []numbered
	var kind class
	for len(batch) < batchAtMost {
		next, c, err := p.next()
		if errors.Is(err, io.EOF) && len(batch) > 0 {
			return batch, nil
		}
		if err != nil {
			return nil, err
		}
		if len(batch) > 0 && (c == serial || c != kind) {
			p.pending, p.ahead = &next, c
			return batch, nil
		}
		batch, kind = append(batch, next), c
		if c == serial {
			return batch, nil
		}
	}
	return batch, nil
}

// next returns the next statement that is neither a setting nor left out.
func (p *postScript) next() (numbered, class, error) {
	if p.pending != nil {
		n := *p.pending
		p.pending = nil
		return n, p.ahead, nil
	}
	for {
		text, err := p.statements.next()
		if err != nil {
			return numbered{}, serial, err
		}
		p.number++
		if text = admitted(text, p.known); text == "" {
			continue
		}
		c := classOf(text)
		if c == setting {
			p.settings = append(p.settings, text)
			continue
		}
		return numbered{number: p.number, text: text, after: len(p.settings)}, c, nil
	}
}

// crew is the sessions that execute a script, each with the script's settings up to the statement at hand.
type crew struct {
	target  *target
	members []*member
}

type member struct {
	conn    *pgx.Conn
	applied int
}

func (c *crew) close(ctx context.Context) {
	for _, m := range c.members {
		hangUp(ctx, m.conn)
	}
}

// execute runs a batch on as many sessions as there are workers, each statement in one transaction with its record.
func (c *crew) execute(ctx context.Context, batch []numbered, settings []string) error {
	for len(c.members) < min(len(batch), c.target.workers) {
		conn, err := c.target.connect(ctx)
		if err != nil {
			return err
		}
		c.members = append(c.members, &member{conn: conn})
	}
	work := make(chan numbered)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(work)
		for _, n := range batch {
			select {
			case work <- n:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for _, m := range c.members[:min(len(batch), len(c.members))] {
		group.Go(func() error {
			for n := range work {
				if err := c.target.statement(ctx, m, n, settings); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// deadlocks is how often a statement is tried that the server chose as the victim of a deadlock with its neighbours.
const deadlocks = 20

func (t *target) statement(ctx context.Context, m *member, n numbered, settings []string) error {
	for ; m.applied < n.after; m.applied++ {
		if err := run(ctx, m.conn, settings[m.applied]); err != nil {
			return fmt.Errorf("%s: %w", brief(settings[m.applied]), err)
		}
	}
	var err error
	for range deadlocks {
		_, err = t.progress.step(ctx, m.conn, fmt.Sprintf("%s/%05d", unitPost, n.number), func() error {
			return rowRefused(brief(n.text), run(ctx, m.conn, n.text))
		})
		if stateOf(err) != stateDeadlock {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", brief(n.text), err)
	}
	return nil
}

func (t *target) setSequences(ctx context.Context, conn *pgx.Conn, sequences []dataservice.Sequence) error {
	_, err := t.progress.step(ctx, conn, stepSequences, func() error {
		for _, s := range sequences {
			name, err := qualifiedID(s.ID)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, "SELECT pg_catalog.setval($1::pg_catalog.regclass, $2, $3)", name, s.Last, s.Called); err != nil {
				return fmt.Errorf("set sequence %s: %w", s.ID, err)
			}
		}
		return nil
	})
	return err
}

// analyze gathers statistics of every table. The planner needs them from the first query on.
func (t *target) analyze(ctx context.Context, c *dataservice.Catalogue) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(t.workers)
	for i := range c.Objects {
		o := &c.Objects[i]
		// A partitioned table is analyzed with its partitions.
		if o.Kind != objectTable && o.Kind != objectMaterialized && (o.Kind != objectPartitioned || o.Parent != "") {
			continue
		}
		group.Go(func() error {
			return t.withSession(ctx, func(conn *pgx.Conn) error {
				_, err := t.progress.step(ctx, conn, fmt.Sprintf("%s/%05d", stepAnalyze, i), func() error {
					return run(ctx, conn, "ANALYZE "+qualified(o.Schema, o.Name))
				})
				if err != nil {
					return fmt.Errorf("analyze %s: %w", o.ID, err)
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// withSession calls do with a session, and keeps the session for later if that goes well.
func (t *target) withSession(ctx context.Context, do func(conn *pgx.Conn) error) error {
	conn, err := t.sessions.take(ctx)
	if err != nil {
		return err
	}
	if err := do(conn); err != nil {
		hangUp(ctx, conn)
		return err
	}
	t.sessions.put(ctx, conn)
	return nil
}
