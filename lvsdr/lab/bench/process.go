//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
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
// the same, in turns.
func (b *bench) wholeSetUp(ctx context.Context, s size) error {
	var empty, none, one, floor, read samplesOf
	for i := range 1 + samples {
		err := withHost(ctx, func(h *lab.Host) error {
			first, err := b.setUpOf(ctx, h, s.config(), 1)
			if err != nil || i == 0 { // it reads the machine's files
				return err
			}
			again, err := b.setUpOf(ctx, h, s.config(), samples)
			if err != nil {
				return err
			}
			changed, err := b.setUpOf(ctx, h, oneHeavy(s, 2), 1)
			if err != nil {
				return err
			}
			empty, none, one = append(empty, first...), append(none, again...), append(one, changed...)
			return complete(ctx, h, s)
		})
		if err != nil {
			return err
		}
		kernel, err := b.benchmarks(ctx, s, "^Benchmark(ProgramFloor|Read)$")
		if err != nil {
			return err
		}
		floor, read = append(floor, sample{took: kernel["ProgramFloor"]}), append(read, sample{took: kernel["Read"]})
	}
	name := "`lvsdr setup director` of " + s.String() + " "
	b.report.row(name+"from empty", empty.String()+", "+ratio(empty.median(), floor.median())+" times the kernel's floor of the same messages")
	b.report.row(name+"with nothing to do", none.String()+", "+ratio(none.median(), read.median())+" times lvsdr/ipvs reading the table")
	b.report.row(name+"with one change", fmt.Sprintf("%v, %+.0f %% over nothing to do", one, 100*(float64(one.median())/float64(none.median())-1)))
	return nil
}

// A sample is one run of a program.
type sample struct {
	took   time.Duration
	memory int64 // peak, in bytes
}

// samplesOf are several of the same.
type samplesOf []sample

// median is the time in the middle: one run that makes a table may take a third more or
// less than the next.
func (all samplesOf) median() time.Duration {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b sample) int { return cmp.Compare(a.took, b.took) })
	return sorted[len(sorted)/2].took
}

// String is the median, and the most memory.
func (all samplesOf) String() string {
	most := slices.MaxFunc(all, func(a, b sample) int { return cmp.Compare(a.memory, b.memory) })
	return fmt.Sprintf("%v, peak memory %.1f MB", all.median().Round(time.Millisecond), float64(most.memory)/1e6)
}

// setUpOf is some set-ups by the command.
func (b *bench) setUpOf(ctx context.Context, h *lab.Host, c cluster.Config, times int) (all samplesOf, err error) {
	text, err := json.Marshal(c) // JSON is YAML
	if err != nil {
		return nil, err
	}
	if err := h.Do(func() error { return writeFile("/etc/cluster.yaml", string(text)) }); err != nil {
		return nil, err
	}
	for range times {
		took, memory, err := measure(ctx, h, b.lvsdr, "setup", "director", "--quiet", "--runtime", "--config", "/etc/cluster.yaml")
		if err != nil {
			return nil, err
		}
		all = append(all, sample{took, memory})
	}
	return all, nil
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
