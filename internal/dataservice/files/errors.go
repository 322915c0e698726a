package files

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// classify gives an error of the file system its class.
func classify(err error) error {
	var classed *fault.Error
	switch {
	case err == nil || errors.As(err, &classed):
		return err
	case errors.Is(err, tree.ErrInvalid):
		return &fault.Error{Class: fault.Permanent, Code: "component.invalid", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return (&fault.Error{Class: fault.Denied, Code: "files.denied", Err: err}).WithHint("the worker's user may not do that: let it read the directory of a capture, and write beside the place of a restore")
	case errors.Is(err, fs.ErrNotExist):
		return &fault.Error{Class: fault.NotFound, Code: "files.missing", Err: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return (&fault.Error{Class: fault.Throttled, Code: "files.full", Err: err}).WithHint("the file system is full")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fault.Wrap(fault.Throttled, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EILSEQ), errors.Is(err, syscall.ENOTSUP):
		return fault.Wrap(fault.Permanent, err)
	}
	return err
}

// gone reports whether something that stood in a directory is not there any more, or has become something else.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, errReplaced)
}

// errReplaced: between looking at a name and opening it, something else took the name.
var errReplaced = errors.New("it was replaced")

func exists(path string) error {
	return fault.New(fault.Conflict, "target.exists", "%s: %w", path, dataservice.ErrTargetExists).
		WithHint("a restore never overwrites: name a path at which nothing stands, or move away what does")
}

func fenced(what string) error {
	return fault.New(fault.Conflict, "restore.fenced", "%s: %w", what, dataservice.ErrFenced)
}

func vanishedRestore(err error) error {
	return fault.New(fault.NotFound, "restore.gone", "the sealed directory is not there: it was never prepared, or is published or discarded: %w", err)
}
