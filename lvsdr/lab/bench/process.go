//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"

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
		list, err := fastest(ctx, h, "ipvsadm", "-L", "-n")
		if err != nil {
			return err
		}
		version, err := fastest(ctx, h, b.lvsdr, "version")
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
		floor, read = append(floor, sample{processor: kernel["ProgramFloor"]}), append(read, sample{processor: kernel["Read"]})
	}
	name := "`lvsdr setup director` of " + s.String() + " "
	b.report.row(name+"from empty", empty.String()+", "+ratio(empty.median(), floor.median())+" times the kernel's floor of the same messages")
	b.report.row(name+"with nothing to do", none.String()+", "+ratio(none.median(), read.median())+" times lvsdr/ipvs reading the table")
	b.report.row(name+"with one change", fmt.Sprintf("%v, %+.0f %% over nothing to do", one, 100*(float64(one.median())/float64(none.median())-1)))
	return nil
}

// A sample is one run of a program.
//
// Its processor time is what it takes. What it takes from exec to exit is more by waiting,
// of which some is the machine's below: while the guest has nothing to do, its clock jumps
// to the next timer, however soon the answer about a file comes.
type sample struct {
	processor, took time.Duration
	memory          int64 // peak, in bytes
}

// samplesOf are several of the same.
type samplesOf []sample

// median is the processor time in the middle.
func (all samplesOf) median() time.Duration {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b sample) int { return cmp.Compare(a.processor, b.processor) })
	return sorted[len(sorted)/2].processor
}

// String is the median, the least from exec to exit, and the most memory.
func (all samplesOf) String() string {
	least := slices.MinFunc(all, func(a, b sample) int { return cmp.Compare(a.took, b.took) })
	most := slices.MaxFunc(all, func(a, b sample) int { return cmp.Compare(a.memory, b.memory) })
	return fmt.Sprintf("%v of the processor, from exec to exit %v, peak memory %.1f MB",
		all.median().Round(time.Millisecond), least.took.Round(time.Millisecond), float64(most.memory)/1e6)
}

// setUpOf is some set-ups by the command.
func (b *bench) setUpOf(ctx context.Context, h *lab.Host, c cluster.Config, times int) (all samplesOf, err error) {
	text, err := yaml.Dump(c, yaml.WithIndent(2)) // as lvsdr import prints it
	if err != nil {
		return nil, err
	}
	if err := h.Do(func() error { return writeFile("/etc/cluster.yaml", string(text)) }); err != nil {
		return nil, err
	}
	for range times {
		one, err := measure(ctx, h, b.lvsdr, "setup", "director", "--quiet", "--runtime", "--config", "/etc/cluster.yaml")
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// fastest is the processor time of a command that is run five times after a first, which
// fills the page cache.
func fastest(ctx context.Context, h *lab.Host, name string, args ...string) (best time.Duration, err error) {
	for i := range 6 {
		one, err := measure(ctx, h, name, args...)
		if err != nil {
			return 0, err
		}
		if i == 1 || i > 1 && one.processor < best {
			best = one.processor
		}
	}
	return best, nil
}

// measure runs a command on a host.
func measure(ctx context.Context, h *lab.Host, name string, args ...string) (sample, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := h.Start(cmd); err != nil {
		return sample{}, err
	}
	err := cmd.Wait()
	took := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s %v: %w", name, args, err)
	}
	state := cmd.ProcessState
	return sample{state.UserTime() + state.SystemTime(), took, state.SysUsage().(*syscall.Rusage).Maxrss * 1024}, nil
}
