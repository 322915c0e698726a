package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// target builds the sealed tree of a run.
type target struct {
	place place
	fence uint64
	owner bool // whether owners are restored
}

func openTarget(_ context.Context, raw json.RawMessage, r dataservice.Restoring, _ dataservice.Deps) (dataservice.Target, error) {
	p, err := openPlace(raw, r)
	if err != nil {
		return nil, err
	}
	return &target{place: p, fence: r.Fence, owner: os.Geteuid() == 0}, nil
}

// Prepare makes the sealed directory, and the directories above the place where they are missing.
func (t *target) Prepare(context.Context, dataservice.Component, dataservice.OpenUnit) error {
	return t.place.failed("prepare", t.place.create())
}

// Restore unpacks a shard.
func (t *target) Restore(ctx context.Context, c dataservice.Captured, open dataservice.OpenUnit) (bool, error) {
	done, err := t.restore(ctx, c, open)
	return done, t.place.failed("restore unit "+c.Unit.ID, err)
}

// unitNames are the ids of units that are safe in a file name.
var unitNames = regexp.MustCompile(`^[a-z]+-[0-9]+$`)

func (t *target) restore(ctx context.Context, c dataservice.Captured, open dataservice.OpenUnit) (bool, error) {
	if c.Unit.Format != dataservice.Tree || !unitNames.MatchString(c.Unit.ID) {
		return false, fault.New(fault.Permanent, "component.invalid", "it is not a shard of a tree")
	}
	root, err := t.place.sealedRoot()
	if err != nil {
		return false, err
	}
	defer root.Close()
	claims := claims{root: root, fence: t.fence}
	if done, err := claims.take(c.Unit.ID); done || err != nil {
		return false, err
	}
	u := &unpacking{root: root, claims: claims, unit: c.Unit.ID, owner: t.owner, buffer: make([]byte, bufferBytes)}
	if err := u.run(ctx, c, open); err != nil {
		// Who was overtaken finds its files gone: say why.
		if held := claims.held(c.Unit.ID); errors.Is(held, dataservice.ErrFenced) {
			return false, held
		}
		return false, err
	}
	return true, nil
}

// finishing is the unit of work that Finish claims.
const finishing = "finish"

// Finish makes the hard links and gives the directories their modes and times, the deepest first.
func (t *target) Finish(ctx context.Context, c dataservice.Component, _ dataservice.OpenUnit) error {
	return t.place.failed("finish", t.finish(ctx, c))
}

func (t *target) finish(ctx context.Context, c dataservice.Component) error {
	root, err := t.place.sealedRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	claims := claims{root: root, fence: t.fence}
	if done, err := claims.take(finishing); done || err != nil {
		return err
	}
	units := make([]string, 0, len(c.Units))
	for _, u := range c.Units {
		if !unitNames.MatchString(u.Unit.ID) {
			return fault.New(fault.Permanent, "component.invalid", "unit %s is not a shard of a tree", u.Unit.ID)
		}
		units = append(units, u.Unit.ID)
	}
	// Without this a Finish that was killed could not enter directories that it has closed to their owner.
	if err := root.Chmod(treeDir, 0o700); err != nil {
		return err
	}
	if err := t.each(ctx, claims, units, t.reopen); err != nil {
		return err
	}
	if err := t.each(ctx, claims, units, t.link); err != nil {
		return err
	}
	if err := root.Chmod(treeDir, 0o755); err != nil { // what it stays at when the capture does not say
		return err
	}
	for i := len(units) - 1; i >= 0; i-- {
		if err := t.settle(ctx, claims, units[i]); err != nil {
			return err
		}
	}
	partial := stateDir + "/" + finishing + "/" + "doing-" + fenceName(t.fence)
	f, err := root.OpenFile(partial, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return claims.finish(finishing, partial)
}

// each calls do with everything that the units left for later, in walk order.
func (t *target) each(ctx context.Context, c claims, units []string, do func(root *os.Root, l later) error) error {
	for _, unit := range units {
		list, err := t.left(ctx, c, unit)
		if err != nil {
			return err
		}
		for _, l := range list {
			if err := do(c.root, l); err != nil {
				return fmt.Errorf("%q: %w", l.Path, err)
			}
		}
	}
	return nil
}

func (t *target) left(ctx context.Context, c claims, unit string) ([]later, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.held(finishing); err != nil {
		return nil, err
	}
	list, err := readLaters(c.root, unit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Conflict, "restore.unfinished", "unit %s is not restored yet", unit)
	}
	return list, err
}

func (t *target) reopen(root *os.Root, l later) error {
	if l.Kind != tree.Directory {
		return nil
	}
	return root.Chmod(inTree(tree.FromID(l.Path)), 0o700)
}

func (t *target) link(root *os.Root, l later) error {
	if l.Kind != tree.Hardlink {
		return nil
	}
	from, to := inTree(tree.FromID(l.Link)), inTree(tree.FromID(l.Path))
	file, err := root.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it vanished before it was captured; the comparison says what is missing
	}
	if err != nil {
		return err
	}
	if !file.Mode().IsRegular() {
		return fmt.Errorf("%w: a hard link to something that is no file", tree.ErrInvalid)
	}
	err = root.Link(from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there, err := root.Lstat(to)
	if err == nil && !os.SameFile(file, there) {
		err = fmt.Errorf("%w: a hard link where something stands", tree.ErrInvalid)
	}
	return err
}

// settle gives the directories of a unit their attributes.
func (t *target) settle(ctx context.Context, c claims, unit string) error {
	list, err := t.left(ctx, c, unit)
	if err != nil {
		return err
	}
	for i := len(list) - 1; i >= 0; i-- {
		l := list[i]
		if l.Kind != tree.Directory {
			continue
		}
		name := inTree(tree.FromID(l.Path))
		if t.owner {
			if err := c.root.Lchown(name, l.UID, l.GID); err != nil {
				return fmt.Errorf("%q: %w", l.Path, err)
			}
		}
		// The time first: afterwards the mode may forbid it.
		if err := c.root.Chtimes(name, noTime, l.modTime()); err != nil {
			return fmt.Errorf("%q: %w", l.Path, err)
		}
		if err := c.root.Chmod(name, l.Mode); err != nil {
			return fmt.Errorf("%q: %w", l.Path, err)
		}
	}
	return nil
}

// Close does nothing: every method closes what it opened.
func (t *target) Close() error { return nil }
