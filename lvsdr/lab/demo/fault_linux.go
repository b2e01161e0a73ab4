package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/gallery"
)

// listFaults prints the faults that can be shown.
func listFaults() {
	fmt.Println("make demo FAULT=name shows one of these:")
	for _, f := range gallery.Faults() {
		fmt.Printf("  %-28s %s\n", f.Name, f.Title)
	}
}

// findFaults are the faults of these names, none of an empty text.
func findFaults(names string) (faults []gallery.Fault, err error) {
	all := gallery.Faults()
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(f gallery.Fault) bool { return f.Name == name })
		if i < 0 && names != "" {
			listFaults()
			return nil, fmt.Errorf("there is no fault %q", name)
		}
		if i >= 0 {
			faults = append(faults, all[i])
		}
	}
	return faults, nil
}

// needsNFT tells whether the fault is one of nftables, which User-Mode Linux lacks.
func needsNFT(f gallery.Fault) bool {
	return slices.Contains(f.Needs, lab.NFT) && (lab.NFT.Missing() != nil || lab.IPVS.Missing() != nil)
}

// useDistributionKernel has the guest run a kernel that has nftables as well. Fetch
// is the program that prints its folder.
func useDistributionKernel(fetch string) error {
	if os.Getenv("LVSDR_QEMU_KERNEL") != "" {
		return nil
	}
	cmd := exec.Command(fetch)
	cmd.Stderr = os.Stderr
	dir, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", fetch, err)
	}
	return os.Setenv("LVSDR_QEMU_KERNEL", strings.TrimSpace(string(dir)))
}

// inGuests shows several faults, those of nftables in a guest of their own.
func inGuests(guest, kernel string, faults []gallery.Fault) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var failed []error
	for _, nft := range []bool{false, true} {
		var names []string
		for _, f := range faults {
			if needsNFT(f) == nft {
				names = append(names, f.Name)
			}
		}
		if len(names) == 0 {
			continue
		}
		if nft {
			if err := useDistributionKernel(kernel); err != nil {
				failed = append(failed, err)
				continue
			}
		}
		args := append([]string{self}, os.Args[1:]...)
		cmd := exec.Command(guest, append(args, "-fault", strings.Join(names, ","))...) // the last one counts
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		failed = append(failed, cmd.Run())
	}
	return errors.Join(failed...)
}

// showFaults shows one after the other, and of several tells which did not run to their
// end.
func showFaults(ctx context.Context, faults []gallery.Fault) error {
	if len(faults) == 1 {
		return showFault(ctx, faults[0])
	}
	var failed []string
	for _, f := range faults {
		fmt.Printf("\n== FAULT=%s\n", f.Name)
		one, cancel := context.WithTimeout(ctx, longest)
		if err := showFault(one, f); err != nil {
			fmt.Printf("FAULT=%s did not run to its end: %v\n", f.Name, err)
			failed = append(failed, f.Name)
		}
		cancel()
	}
	fmt.Printf("\n%d of %d faults shown to their end\n", len(faults)-len(failed), len(faults))
	if len(failed) > 0 {
		return fmt.Errorf("not shown to their end: %s", strings.Join(failed, " "))
	}
	return nil
}

// longest is how long one of several faults is shown.
const longest = 5 * time.Minute

// showFault shows a fault come, be named, and go.
func showFault(ctx context.Context, f gallery.Fault) (err error) {
	for _, feature := range f.Needs {
		if missing := feature.Missing(); missing != nil {
			return fmt.Errorf("this needs %s: %w", feature, missing)
		}
	}
	fmt.Printf("%s (%s): %s\n", f.Name, f.Catalogue, f.Title)
	c, err := gallery.NewCluster(ctx, f.Setup, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if f.Setup != "-" {
		fmt.Printf("\nA cluster, set up with lvsdr setup director %s,\nand on each real server with lvsdr setup realserver.\n", c.Flags)
	}
	s := faultStory{ctx, c, f}
	for _, part := range []func() error{s.make, s.before, s.inject, s.doctor, s.mend, s.after} {
		if err := part(); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

type faultStory struct {
	ctx context.Context
	*gallery.Cluster
	fault gallery.Fault
}

// make shows what the fault's cluster needs besides, or how it is made by hand.
func (s faultStory) make() error {
	if s.fault.Make == nil {
		return nil
	}
	chapter("A cluster")
	s.Show = command
	defer func() { s.Show = nil }()
	return s.fault.Make(s.ctx, s.Cluster)
}

func (s faultStory) before() error {
	chapter("Before")
	s.Passive = s.fault.Passive
	return s.visited()
}

func (s faultStory) inject() error {
	chapter("What goes wrong")
	s.Show = command
	if err := s.fault.Inject(s.ctx, s.Cluster); err != nil {
		return err
	}
	chapter("What a client sees")
	return s.symptom()
}

// hosts are those on which something is to be seen, the cause's first; the client
// where the others' questions would change what it sees.
func (s faultStory) hosts() []string {
	var all []string
	if s.fault.InTurn {
		all = append(all, s.Client.Name)
	}
	for _, sight := range s.fault.Sights {
		if !slices.Contains(all, sight.Host) {
			all = append(all, sight.Host)
		}
	}
	return all
}

// doctor shows the doctor on each host that sees the fault, and demands that it
// names it.
func (s faultStory) doctor() error {
	chapter("What the doctor says")
	for _, host := range s.hosts() {
		if err := again(func() error { return s.names(host) }); err != nil {
			return err
		}
	}
	return nil
}

// names shows the doctor on the host, which is to name what the fault says.
func (s faultStory) names(host string) error {
	if s.fault.Recur != nil {
		if err := s.fault.Recur(s.ctx, s.Cluster); err != nil {
			return err
		}
	}
	out, err := show(s.ctx, s.Host(host), s.line(host))
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return err
	}
	for _, sight := range s.fault.Sights {
		if sight.Host == host && !strings.Contains(out, "  "+sight.Code+"\n") {
			return fmt.Errorf("the doctor on %s did not name %s", host, sight.Code)
		}
	}
	return nil
}

// line is the doctor's command: where lvsdr set the host up, it needs no flags.
func (s faultStory) line(host string) string {
	switch {
	case s.Role(host) == cluster.ClientRole || s.fault.Setup == "-":
		return "lvsdr doctor " + s.DoctorArgs(host)
	case s.Passive:
		return "lvsdr doctor --passive"
	}
	return "lvsdr doctor"
}

// mend does what the doctor says of the first sight, the cause.
func (s faultStory) mend() error {
	first := s.fault.Sights[0]
	var finding doctor.Finding
	err := again(func() error {
		findings, err := s.Cluster.Doctor(s.ctx, first.Host)
		i := slices.IndexFunc(findings, func(f doctor.Finding) bool {
			return f.Check == first.Code && f.Severity != doctor.OK && f.Severity != doctor.Skipped
		})
		if err == nil && i < 0 {
			err = fmt.Errorf("the doctor on %s no longer names %s", first.Host, first.Code)
		}
		if err == nil {
			finding = findings[i]
		}
		return err
	})
	if err != nil {
		return err
	}
	chapter("What the doctor says is done")
	return s.Follow(s.ctx, s.fault, finding)
}

// after demands that the doctors find nothing and the client is served.
func (s faultStory) after() error {
	chapter("Afterwards")
	s.Passive = false
	for _, host := range s.hosts() {
		err := again(func() error {
			_, err := show(s.ctx, s.Host(host), s.line(host))
			return err
		})
		if err != nil {
			return fmt.Errorf("on %s: %w", host, err)
		}
	}
	return s.visited()
}

// again tries up to three times: a guest shares its one processor with whatever else
// the machine does, and a host that has its turn too late answers too late.
func again(try func() error) (err error) {
	for range 3 {
		if err = try(); err == nil {
			return nil
		}
	}
	return err
}
