// Package usage measures what this process and everything below it has used. It reads /proc, so it works on Linux only.
package usage

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is how often the kernel counts in a second (USER_HZ), which is the same on all common platforms.
const ticks = 100

type process struct {
	parent int
	cpu    time.Duration // of itself and of its children that have ended
}

// CPU returns the time that this process and all processes below it have had, those that have ended included.
func CPU() (time.Duration, error) { return CPUBelow(os.Getpid()) }

// CPUBelow is as CPU for another process.
func CPUBelow(root int) (time.Duration, error) {
	all, err := processes()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for pid := range all {
		if below(all, pid, root) {
			sum += all[pid].cpu
		}
	}
	return sum, nil
}

// PeakRSS returns the largest resident memory in bytes that this process has had.
func PeakRSS() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status names no VmHWM")
}

func below(all map[int]process, pid, root int) bool {
	for pid > 1 {
		if pid == root {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

func processes() (map[int]process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := map[int]process{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name is in parentheses and may hold anything, so the fields are counted from its end.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || len(fields) < 15 {
			return nil, fmt.Errorf("%s: it is not as expected", file)
		}
		var p process
		if p.parent, err = strconv.Atoi(fields[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, f := range fields[11:15] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			p.cpu += time.Duration(n) * time.Second / ticks
		}
		all[pid] = p
	}
	return all, nil
}
