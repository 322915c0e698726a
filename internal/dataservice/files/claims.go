package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
)

// claims records, in a directory of the sealed place for each unit of work, who works on it and whether it is done. A claim
// is a file named for its fence, so the highest one is never lost; done is a file that appears whole.
type claims struct {
	root  *os.Root
	fence uint64
}

// doneFile says that a unit is restored and what is left of it for later: see later.
const doneFile = "done"

// take claims a unit, unless it is done or somebody with a higher fence has it.
func (c claims) take(unit string) (done bool, err error) {
	dir := path.Join(stateDir, unit)
	if err := c.root.Mkdir(dir, 0o700); errors.Is(err, fs.ErrNotExist) {
		return false, vanishedRestore(err)
	} else if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("claim: %w", err)
	}
	if err := c.held(unit); err != nil {
		return false, err
	}
	if done, err := c.done(unit); done || err != nil {
		return done, err
	}
	f, err := c.root.OpenFile(path.Join(dir, fenceName(c.fence)), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false, fmt.Errorf("claim: %w", err)
	}
	if err := f.Close(); err != nil {
		return false, fmt.Errorf("claim: %w", err)
	}
	return false, c.held(unit)
}

// held returns ErrFenced when somebody with a higher fence has claimed a unit.
func (c claims) held(unit string) error {
	f, err := c.root.Open(path.Join(stateDir, unit))
	if errors.Is(err, fs.ErrNotExist) {
		return vanishedRestore(err)
	}
	if err != nil {
		return fmt.Errorf("look for claims: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("look for claims: %w", err)
	}
	for _, name := range names {
		if fence, err := strconv.ParseUint(name, 10, 64); err == nil && fence > c.fence {
			return fenced(unit)
		}
	}
	return nil
}

func (c claims) done(unit string) (bool, error) {
	_, err := c.root.Lstat(path.Join(stateDir, unit, doneFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// finish makes the file partial of a unit its done file.
func (c claims) finish(unit, partial string) error {
	if err := c.held(unit); err != nil {
		return err
	}
	return c.root.Rename(partial, path.Join(stateDir, unit, doneFile))
}

func fenceName(fence uint64) string { return fmt.Sprintf("%020d", fence) }
