//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

// process measures the command: its size, its start, its memory.
func process(ctx context.Context, b *bench) error {
	info, err := os.Stat(b.lvsdr)
	if err != nil {
		return err
	}
	b.report.table("The command", "what", "value")
	b.report.row("size of the static binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6))
	err = withHost(ctx, func(h *lab.Host) error {
		list, _, err := fastest(ctx, h, "ipvsadm", "-L", "-n")
		if err != nil {
			return err
		}
		version, _, err := fastest(ctx, h, b.lvsdr, "version")
		if err != nil {
			return err
		}
		b.report.row("`lvsdr version` takes, of `ipvsadm -L -n`", times(version, list))
		return nil
	})
	if err != nil {
		return err
	}
	return b.wholeSetUp(ctx, size{1000, 10})
}

// wholeSetUp runs the command on a cluster in a file, beside what the kernel needs for
// the same.
func (b *bench) wholeSetUp(ctx context.Context, s size) error {
	var empty, none, one time.Duration
	var first, again, changed string
	for i := range samples { // the first reads the machine's files
		err := withHost(ctx, func(h *lab.Host) (err error) {
			took, words, err := b.setUpOf(ctx, h, s.config(), 1)
			if i == 0 || took < empty {
				empty, first = took, words
			}
			if err != nil || i < samples-1 {
				return err
			}
			if none, again, err = b.setUpOf(ctx, h, s.config(), samples); err != nil {
				return err
			}
			for weight := range samples { // each another one
				took, words, err := b.setUpOf(ctx, h, oneHeavy(s, 2+weight), 1)
				if err != nil {
					return err
				}
				if weight == 0 || took < one {
					one, changed = took, words
				}
			}
			return complete(ctx, h, s)
		})
		if err != nil {
			return err
		}
	}
	kernel, err := b.benchmarks(ctx, s, "^Benchmark(ProgramFloor|Read)$")
	if err != nil {
		return err
	}
	name := "`lvsdr setup director` of " + s.String() + " "
	b.report.row(name+"from empty", first+", "+ratio(empty, kernel["ProgramFloor"])+" times the kernel's floor of the same messages")
	b.report.row(name+"with nothing to do", again+", "+ratio(none, kernel["Read"])+" times lvsdr/ipvs reading the table")
	b.report.row(name+"with one change", fmt.Sprintf("%s, %+.0f %% over nothing to do", changed, 100*(float64(one)/float64(none)-1)))
	return nil
}

// setUpOf is the fastest of some set-ups by the command, in words with its memory.
func (b *bench) setUpOf(ctx context.Context, h *lab.Host, c cluster.Config, times int) (best time.Duration, words string, err error) {
	text, err := json.Marshal(c) // JSON is YAML
	if err != nil {
		return 0, "", err
	}
	if err := h.Do(func() error { return writeFile("/etc/cluster.yaml", string(text)) }); err != nil {
		return 0, "", err
	}
	for i := range times {
		took, memory, err := measure(ctx, h, b.lvsdr, "setup", "director", "--quiet", "--runtime", "--config", "/etc/cluster.yaml")
		if err != nil {
			return 0, "", err
		}
		if i == 0 || took < best {
			best, words = took, fmt.Sprintf("%v, peak memory %.1f MB", took.Round(time.Millisecond), float64(memory)/1e6)
		}
	}
	return best, words, nil
}

// fastest measures a command five times after a first that fills the page cache.
func fastest(ctx context.Context, h *lab.Host, name string, args ...string) (best time.Duration, memory int64, err error) {
	for i := range 6 {
		took, m, err := measure(ctx, h, name, args...)
		if err != nil {
			return 0, 0, err
		}
		if i == 1 || i > 1 && took < best {
			best, memory = took, m
		}
	}
	return best, memory, nil
}

// measure runs a command on a host, and returns its time and peak memory in bytes.
func measure(ctx context.Context, h *lab.Host, name string, args ...string) (time.Duration, int64, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := h.Start(cmd); err != nil {
		return 0, 0, err
	}
	err := cmd.Wait()
	took := time.Since(start)
	if err != nil {
		return 0, 0, fmt.Errorf("%s %v: %w", name, args, err)
	}
	return took, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024, nil
}
