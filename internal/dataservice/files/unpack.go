package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
)

// noTime leaves a time of a file as it is.
var noTime time.Time

// unpacking is the restore of one shard. Files and symbolic links are made under numbers in a stage of the claim's own and
// then renamed into the tree, by a path that starts at the sealed directory: a worker that wakes up after another took
// over writes the same files again at most, and after the tree was published, none.
type unpacking struct {
	root   *os.Root
	claims claims
	unit   string
	owner  bool
	buffer []byte
	stage  string
	links  *os.File // the stage, for what os.Root cannot do
	later  *laters
	parent string // the last directory that was found to be one
}

func (u *unpacking) run(ctx context.Context, c dataservice.Captured, open dataservice.OpenUnit) error {
	in, err := open(ctx, c)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer in.Close()
	if err := u.begin(); err != nil {
		return err
	}
	defer u.links.Close()
	partial := path.Join(stateDir, u.unit, "doing-"+fenceName(u.claims.fence))
	if u.later, err = newLaters(u.root, partial); err != nil {
		return err
	}
	if err := errors.Join(u.entries(ctx, in), u.later.close()); err != nil {
		return err
	}
	if err := u.claims.finish(u.unit, partial); err != nil {
		return err
	}
	return u.root.RemoveAll(u.stage)
}

// begin makes the stage, and removes what older claims of the unit have left.
func (u *unpacking) begin() error {
	of := path.Join(stageDir, u.unit)
	own := fenceName(u.claims.fence)
	if err := u.root.MkdirAll(of, 0o700); err != nil {
		return fmt.Errorf("make a stage: %w", err)
	}
	f, err := u.root.Open(of)
	if err != nil {
		return fmt.Errorf("make a stage: %w", err)
	}
	defer f.Close()
	earlier, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("look for earlier stages: %w", err)
	}
	for _, name := range earlier {
		if name > own {
			continue // of who overtook this claim
		}
		if err := u.root.RemoveAll(path.Join(of, name)); err != nil {
			return fmt.Errorf("remove an earlier stage: %w", err)
		}
	}
	u.stage = path.Join(of, own)
	if err := u.root.Mkdir(u.stage, 0o700); err != nil {
		return fmt.Errorf("make a stage: %w", err)
	}
	u.links, err = u.root.Open(u.stage)
	return err
}

func (u *unpacking) entries(ctx context.Context, in io.Reader) error {
	archive := tree.NewReader(in)
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read entry %d: %w", n, err)
		}
		if err := u.entry(ctx, e, archive, strconv.Itoa(n)); err != nil {
			return fmt.Errorf("%q: %w", tree.ID(e.Path), err)
		}
	}
	// Reading to the very end lets the stream verify itself.
	rest, err := io.Copy(io.Discard, in)
	if err != nil {
		return fmt.Errorf("read the end: %w", err)
	}
	if rest > trailing {
		return fmt.Errorf("%w: something follows its end", tree.ErrInvalid)
	}
	return nil
}

// trailing is how many zeros may stand behind the end of an archive.
const trailing = 10 << 10

func (u *unpacking) entry(ctx context.Context, e tree.Entry, content io.Reader, name string) error {
	if e.Path != tree.Root {
		if err := u.directory(path.Dir(e.Path)); err != nil {
			return err
		}
	}
	staged := path.Join(u.stage, name)
	switch e.Kind {
	case tree.Directory:
		if err := u.directory(e.Path); err != nil {
			return err
		}
		return u.later.add(e)
	case tree.Hardlink:
		return u.later.add(e)
	case tree.Symlink:
		if err := u.symlink(e, name); err != nil {
			return err
		}
	default:
		if err := u.file(ctx, e, content, staged); err != nil {
			return err
		}
	}
	if err := u.claims.held(u.unit); err != nil {
		return err
	}
	return u.root.Rename(staged, inTree(e.Path))
}

// directory makes sure that a path of the tree, and every one above it, is a directory and nothing that leads elsewhere.
func (u *unpacking) directory(p string) error {
	if p == tree.Root || within(u.parent, p) {
		return nil
	}
	at := treeDir
	for part := range strings.SplitSeq(p, "/") {
		at = path.Join(at, part)
		err := u.root.Mkdir(at, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := u.root.Lstat(at)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: something in what is no directory", tree.ErrInvalid)
		}
	}
	u.parent = p
	return nil
}

func (u *unpacking) symlink(e tree.Entry, name string) error {
	staged := path.Join(u.stage, name)
	if err := u.root.Symlink(e.Link, staged); err != nil {
		return err
	}
	if u.owner {
		if err := u.root.Lchown(staged, e.UID, e.GID); err != nil {
			return err
		}
	}
	modified, err := unix.TimeToTimespec(e.ModTime)
	if err != nil {
		return fmt.Errorf("set its time: %w", err)
	}
	times := []unix.Timespec{modified, modified}
	if err := unix.UtimesNanoAt(int(u.links.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set its time: %w", err)
	}
	return nil
}

func (u *unpacking) file(ctx context.Context, e tree.Entry, content io.Reader, staged string) error {
	f, err := u.root.OpenFile(staged, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = u.fill(ctx, f, content)
	if err == nil && u.owner {
		err = f.Chown(e.UID, e.GID)
	}
	if err == nil {
		err = f.Chmod(e.Mode) // after Chown, which takes set-user-ID away
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return u.root.Chtimes(staged, noTime, e.ModTime)
}

func (u *unpacking) fill(ctx context.Context, f *os.File, content io.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := content.Read(u.buffer)
		if n > 0 {
			if _, err := f.Write(u.buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
