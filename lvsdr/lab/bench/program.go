//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// program measures filling an empty table.
func program(ctx context.Context, b *bench) error {
	whole, err := b.programSizes(ctx, size{1, 2}, size{100, 10}, size{1, 1000}, size{1000, 10})
	if err != nil {
		return err
	}
	return b.linear(ctx, whole)
}

// calls is the short of it, for a kernel where a system call is dear.
func calls(ctx context.Context, b *bench) error {
	_, err := b.programSizes(ctx, size{100, 10}, size{1, 1000})
	return err
}

// programSizes makes the table, and returns what the whole step took.
func (b *bench) programSizes(ctx context.Context, sizes ...size) (steps map[size]time.Duration, err error) {
	b.report.table("Programming an empty table, time relative to `ipvsadm -R`",
		"services x real servers", "`ipvsadm -R`", "keepalived, start to complete table", "moby/ipvs in sequence",
		"lvsdr/ipvs, one stream of batches", "the kernel's floor: no acknowledgement", "lvsdr/ipvs over the floor",
		"set-up of the service step, reading back included")
	steps = map[size]time.Duration{}
	for _, s := range sizes {
		unit, err := ipvsadmRestore(ctx, s)
		if err != nil {
			return nil, err
		}
		keepalived, err := keepalivedStart(ctx, s)
		if err != nil {
			return nil, err
		}
		library, err := b.benchmarks(ctx, s, "^BenchmarkProgram")
		if err != nil {
			return nil, err
		}
		if steps[s], err = serviceStep(ctx, s); err != nil {
			return nil, err
		}
		ours, floor := library["Program"], library["ProgramFloor"]
		b.report.row(s.String(), fmt.Sprintf("1 (%v)", unit.Round(10*time.Microsecond)), ratio(keepalived, unit), ratio(library["ProgramMoby"], unit),
			ratio(ours, unit), ratio(floor, unit), fmt.Sprintf("%+.1f %%", 100*(float64(ours)/float64(floor)-1)), ratio(steps[s], unit))
	}
	return steps, nil
}

// linear shows that the cost of a rule does not grow with the table.
func (b *bench) linear(ctx context.Context, steps map[size]time.Duration) (err error) {
	b.report.table("Set-up of the service step from empty, time a rule relative to 100x10", "services x real servers", "time a rule")
	sizes := []size{{100, 10}, {1000, 10}, {1000, 100}}
	for _, s := range sizes {
		if steps[s] == 0 { // not in the table before
			if steps[s], err = serviceStep(ctx, s); err != nil {
				return err
			}
		}
		b.report.row(s.String(), ratio(s.rule(steps[s]), sizes[0].rule(steps[sizes[0]])))
	}
	return nil
}

// rule is what one of the size's services and real servers takes of a time.
func (s size) rule(t time.Duration) time.Duration {
	return t / time.Duration(s.services*(s.servers+1))
}

func ipvsadmRestore(ctx context.Context, s size) (took time.Duration, err error) {
	err = withHost(ctx, func(h *lab.Host) error {
		if _, err := h.Run(ctx, "ipvsadm", "-L", "-n"); err != nil { // into the page cache
			return err
		}
		cmd := exec.CommandContext(ctx, "ipvsadm", "-R")
		cmd.Stdin = strings.NewReader(s.rules())
		start := time.Now()
		if err := h.Start(cmd); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil {
			return err
		}
		took = time.Since(start)
		return complete(ctx, h, s)
	})
	return took, err
}

// complete fails unless the host's table has everything.
func complete(ctx context.Context, h *lab.Host, s size) error {
	return h.Do(func() error {
		c, err := ipvs.Open()
		if err != nil {
			return err
		}
		defer c.Close()
		n, err := count(ctx, c)
		if err == nil && n != s.services*s.servers {
			err = fmt.Errorf("the table has %d real servers, not %d", n, s.services*s.servers)
		}
		return err
	})
}

func count(ctx context.Context, c *ipvs.Client) (n int, err error) {
	table, err := c.Table(ctx, ipvs.Plain)
	for _, e := range table {
		n += len(e.Destinations)
	}
	return n, err
}

// keepalivedStart measures from keepalived's start to the last real server.
func keepalivedStart(ctx context.Context, s size) (took time.Duration, err error) {
	err = withHost(ctx, func(h *lab.Host) error {
		if err := h.Do(func() error { return writeFile("/etc/keepalived.conf", s.keepalived()) }); err != nil {
			return err
		}
		if _, err := h.Run(ctx, "keepalived", "--version"); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "keepalived", "--dont-fork", "--check", "--use-file", "/etc/keepalived.conf")
		start := time.Now()
		if err := h.Start(cmd); err != nil {
			return err
		}
		err := h.Do(func() error { return waitFor(ctx, s) })
		took = time.Since(start)
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		return err
	})
	return took, err
}

// waitFor waits until the last service has its last real server. It looks seldom:
// looking costs, too.
func waitFor(ctx context.Context, s size) error {
	c, err := ipvs.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	pause := max(time.Millisecond, time.Duration(s.services*s.servers)*time.Microsecond)
	last := ipvs.ID{Addr: vip, Port: uint16(s.services), Protocol: ipvs.TCP}
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(pause) {
		servers, err := c.Destinations(ctx, last, ipvs.Plain)
		if err == nil && len(servers) == s.servers {
			n, err := count(ctx, c)
			if err != nil {
				return err
			}
			if n == s.services*s.servers {
				return nil
			}
		}
	}
	return fmt.Errorf("keepalived did not complete the table")
}

// benchmarks runs benchmarks of package ipvs once and returns the time of each.
func (b *bench) benchmarks(ctx context.Context, s size, pattern string) (map[string]time.Duration, error) {
	if err := idle(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.ipvsTest, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", "1x")
	cmd.Env = append(cmd.Environ(), "LVSDR_BENCH_SIZES="+s.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	found := map[string]time.Duration{}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(f[0], "Benchmark"), "/")
		ns, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, err
		}
		found[name] = time.Duration(ns)
	}
	return found, nil
}

// serviceStep measures the whole step: look, make, look again.
func serviceStep(ctx context.Context, s size) (took time.Duration, err error) {
	role := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{step.DirectorServices(s.config())}}
	err = withHost(ctx, func(h *lab.Host) error {
		return h.Do(func() error {
			local := lvsdr.Local()
			start := time.Now()
			_, err := role.Apply(ctx, local, step.Present)
			took = time.Since(start)
			return err
		})
	})
	return took, err
}
