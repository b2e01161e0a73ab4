//go:build linux

// Bench measures lvsdr beside the tools of the field, all in one run, and prints
// ratios as Markdown tables. It edits IPVS tables, so it runs in a guest only:
//
//	umlexec bench LVSDR IPVS.TEST [PART...]
//
// LVSDR is the command to measure, IPVS.TEST the test binary of package ipvs,
// whose benchmarks know the kernel's floor and moby/ipvs. The parts are those of the
// list below; all of them when none is named.
//
// LVSDR_BENCH_PROXIES is a folder with nginx and haproxy to measure, see .ci/proxies.
//
// Under qemu with LVSDR_QEMU_ICOUNT time is the number of instructions executed,
// which repeats to about a per cent whatever else the machine does.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// A bench is what the parts need: the two programs, and where the report goes.
type bench struct {
	lvsdr, ipvsTest string
	proxies         string // folder with usr/sbin/nginx and haproxy; empty: without
	report          *report
}

// parts are the measurements in the order in which they are reported.
var parts = []struct {
	name string
	run  func(context.Context, *bench) error
}{
	{"process", process}, // first: a child's peak memory counts what its parent had
	{"doctor", doctor},   // as well
	{"program", program},
	{"calls", calls},
	{"setup", setup},
	{"changes", changes},
	{"path", path},
	{"rows", rows}, // in a guest of its own
}

func main() {
	if role := os.Getenv(pathRole); role != "" {
		if err := pathProcess(role, os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "bench's %s: %v\n", role, err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: bench LVSDR IPVS.TEST [PART...]")
	}
	for _, f := range []lab.Feature{lab.Guest, lab.IPVS, lab.Ipvsadm, lab.Keepalived} {
		if err := f.Missing(); err != nil {
			return fmt.Errorf("needs %s: %w", f, err)
		}
	}
	if err := intoMemory("ipvsadm", "keepalived", args[0], args[1]); err != nil {
		return err
	}
	b := &bench{lvsdr: args[0], ipvsTest: args[1], proxies: os.Getenv("LVSDR_BENCH_PROXIES"), report: newReport(os.Stdout)}
	for _, p := range parts {
		if len(args) > 2 && !slices.Contains(args[2:], p.name) {
			continue
		}
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// withHost lends a host with an IPVS table nobody has used: deleted real servers
// stay on a list of the namespace for minutes and make every addition dearer.
func withHost(ctx context.Context, f func(*lab.Host) error) error {
	l, err := lab.NewWith(ctx, 0)
	if err != nil {
		return err
	}
	defer l.Close()
	// Loaded before any service is added: a scheduler that is loaded by the
	// addition, while another namespace goes, deadlocks Linux 6.1.
	if out, err := l.Director.Run(ctx, "modprobe", "-a", "ip_vs", "ip_vs_wrr"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := idle(); err != nil {
		return err
	}
	return f(l.Director)
}
