package pgserver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// ErrNoServer: PostgreSQL's server programs are not installed.
var ErrNoServer = errors.New("no PostgreSQL server programs (postgres, initdb) in PATH or /usr/lib/postgresql/*/bin: run scripts/postgresql.sh, or install the package postgresql")

// FindBin returns the folder with the server programs of the highest version below /usr/lib/postgresql, or else the one
// that PATH leads to.
func FindBin() (string, error) {
	best, found := 0, ""
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range dirs {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && major > best && executable(filepath.Join(dir, "postgres")) && executable(filepath.Join(dir, "initdb")) {
			best, found = major, dir
		}
	}
	if found != "" {
		return found, nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && executable(filepath.Join(filepath.Dir(path), "initdb")) {
			return filepath.Dir(path), nil
		}
	}
	return "", ErrNoServer
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// environment is that of the server programs: nothing of the caller's that would change what they do.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}
