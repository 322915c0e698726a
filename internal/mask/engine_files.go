package mask

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// run copies the entries of an archive that stay, as they are. An entry that the catalogue did not list is refused: no
// rule was found for it. The root of the tree always stays.
func (p *fileProgram) run(ctx context.Context, r io.Reader, w io.Writer, o RunOptions, report *UnitReport) error {
	in, out := tree.NewReader(r), tree.NewWriter(w)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading entry %d: %w", report.Rows+1, err)
		}
		report.Rows++
		keep, err := p.stays(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", report.Rows, err)
		}
		if !keep {
			report.Dropped++
			continue
		}
		if err := out.Add(e); err != nil {
			return fmt.Errorf("writing entry %d: %w", report.Rows, err)
		}
		if _, err := io.Copy(out, in); err != nil {
			return fmt.Errorf("copying entry %d: %w", report.Rows, err)
		}
		o.Progress(1)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing the end of the archive: %w", err)
	}
	return nil
}

// stays reports whether an entry is kept. Errors do not name it: names of files are data.
func (p *fileProgram) stays(e tree.Entry) (bool, error) {
	if e.Path == tree.Root {
		return true, nil
	}
	keep, known := p.keep[tree.ID(e.Path)]
	switch {
	case !known:
		return false, fault.New(fault.Permanent, "mask.unclassified", "it is not in the catalogue of the component")
	case keep && e.Kind == tree.Hardlink && !p.keep[tree.ID(e.Link)]:
		return false, fault.New(fault.Permanent, "mask.link", "it is a hard link to a file that is left out").
			WithHint("drop the link as well, or keep the file")
	}
	return keep, nil
}
