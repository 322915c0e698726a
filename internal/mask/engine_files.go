package mask

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/tranship/tranship/internal/fault"
)

// run copies the entries of an archive that stay, as they are. An entry that the catalogue did not list is refused: no
// rule was found for it.
func (p *fileProgram) run(ctx context.Context, r io.Reader, w io.Writer, o RunOptions, report *UnitReport) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading entry %d: %w", report.Rows+1, err)
		}
		report.Rows++
		name := entryPath(h.Name)
		keep, known := p.keep[name]
		if !known {
			return fault.New(fault.Permanent, "mask.unclassified", "entry %d is not in the catalogue of the component", report.Rows)
		}
		if !keep {
			report.Dropped++
			continue
		}
		if h.Typeflag == tar.TypeLink && !p.keep[entryPath(h.Linkname)] {
			return fault.New(fault.Permanent, "mask.link", "entry %d is a hard link to a file that is left out", report.Rows).
				WithHint("drop the link as well, or keep the file")
		}
		if err := out.WriteHeader(h); err != nil {
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

// entryPath is an archive's name as catalogues write paths.
func entryPath(name string) string {
	return path.Clean(strings.TrimPrefix(name, "/"))
}
