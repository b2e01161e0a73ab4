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
	return withHost(ctx, func(h *lab.Host) error {
		list, _, err := fastest(ctx, h, "ipvsadm", "-L", "-n")
		if err != nil {
			return err
		}
		version, _, err := fastest(ctx, h, b.lvsdr, "version")
		if err != nil {
			return err
		}
		b.report.row("`lvsdr version` takes, of `ipvsadm -L -n`", times(version, list))
		return b.wholeSetUp(ctx, h, size{1000, 10})
	})
}

// wholeSetUp runs the command on a cluster in a file.
func (b *bench) wholeSetUp(ctx context.Context, h *lab.Host, s size) error {
	cluster, err := json.Marshal(s.config()) // JSON is YAML
	if err != nil {
		return err
	}
	if err := h.Do(func() error { return writeFile("/etc/cluster.yaml", string(cluster)) }); err != nil {
		return err
	}
	for _, what := range []string{"from empty", "with nothing to do"} {
		took, memory, err := measure(ctx, h, b.lvsdr, "setup", "director", "--quiet", "--runtime", "--config", "/etc/cluster.yaml")
		if err != nil {
			return err
		}
		b.report.row("`lvsdr setup director` of "+s.String()+" "+what, fmt.Sprintf("%v, peak memory %.1f MB", took.Round(time.Millisecond), float64(memory)/1e6))
	}
	return complete(ctx, h, s)
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
