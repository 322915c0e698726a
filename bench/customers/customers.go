// Package customers makes the databases that the benchmarks work on.
package customers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
)

// Script and Policy are files in the source tree; the benchmarks run at its top.
const (
	Script = "bench/customers.sql"
	Policy = "bench/customers-policy.yaml"
)

// Fill makes a database with n customers and half as many orders.
func Fill(ctx context.Context, s *pgserver.Server, database string, n int) error {
	if err := s.CreateDatabase(ctx, database); err != nil {
		return err
	}
	bin, err := pgserver.FindBin()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", fmt.Sprintf("--set=n=%d", n),
		"--file", Script, s.SocketDSN(database)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fill the database: %w\n%s", err, out)
	}
	return nil
}
